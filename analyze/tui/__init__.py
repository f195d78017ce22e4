"""The screen of `sysmon live` and `sysmon replay`: a cursor on a trace, moved with keys and the mouse.

`pages.py` declares what there is to see, all of it reports; a thread of its own reads (`reader.py`), and `app.py` puts
answers on the screen. Nothing of a trace reaches the terminal but as cells of text: no markup is ever parsed.
"""
