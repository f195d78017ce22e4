"""Styles of the screen: the terminal's own 16 colours, so that it looks as the terminal does."""

from rich.style import Style

PLAIN = Style()
TITLE = Style(bold=True)
HEADER = Style(color="cyan")
SORTED = Style(color="cyan", bold=True, reverse=True)
CURSOR = Style(reverse=True)
WINDOW = Style(color="cyan", bold=True)
QUIET = Style(dim=True)
ALARM = Style(color="red", bold=True)
GOOD = Style(color="green")
BUSY = Style(color="yellow")
KEY = Style(color="black", bgcolor="cyan")
TICKS = {
    "finding": Style(color="yellow", bold=True),
    "failure": Style(color="red", bold=True),
    "loss": Style(color="magenta", bold=True),
    "mark": Style(color="green", bold=True),
}
