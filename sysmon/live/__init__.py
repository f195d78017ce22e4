"""`sysmon live` and `sysmon record --live`: starts the recorder, a viewer and a writer, and ends them.

The recorder and the viewer never import each other; here is what knows both.
"""
