"""The keys of the screen: what each does, once, for the bindings, the help and the palette."""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding

from sysmon.analyze.tui.pages import PAGES


@dataclass(frozen=True)
class Key:
    """`keys` as textual calls them, `shown` as people do; `footer`: its short name at the bottom of the screen."""

    keys: str
    shown: str
    action: str
    about: str
    footer: str = ""
    writes: bool = False  # only where something can be asked of a recorder


TIME = (
    Key("space", "Space", "play", "play, or pause", "play"),
    Key("left,T", "← or T", "snapshots(-1)", "one snapshot back", "step"),
    Key("right,t", "→ or t", "snapshots(1)", "one snapshot forward"),
    Key("shift+left", "Shift-←", "seconds(-1)", "one second back"),
    Key("shift+right", "Shift-→", "seconds(1)", "one second forward"),
    Key("ctrl+left,J", "Ctrl-← or J", "seconds(-60)", "one minute back"),
    Key("ctrl+right,j", "Ctrl-→ or j", "seconds(60)", "one minute forward"),
    Key("left_square_bracket", "[", "faster(-1)", "play at half the speed"),
    Key("right_square_bracket", "]", "faster(1)", "play at twice the speed"),
    Key(
        "colon",
        ":",
        "ask_time",
        "go to a time: 14:03, +5m or -30s from here, 90s from the start, a date",
        "time",
    ),
    Key("n", "n", "jump('finding', 1)", "next finding", "finding"),
    Key("N", "N", "jump('finding', -1)", "previous finding"),
    Key("x", "x", "jump('failure', 1)", "next failed process"),
    Key("X", "X", "jump('failure', -1)", "previous failed process"),
    Key("o", "o", "jump('loss', 1)", "next loss"),
    Key("O", "O", "jump('loss', -1)", "previous loss"),
    Key("m", "m", "jump('mark', 1)", "next mark or note"),
    Key("M", "M", "jump('mark', -1)", "previous mark or note"),
    Key("plus,equals_sign", "+", "wider(1)", "a wider window"),
    Key("minus", "-", "wider(-1)", "a narrower window"),
    Key("b", "b", "brush", "begin a window here; again: end it here"),
    Key("L", "L", "follow", "live again: the end of the trace, and on with it", "live"),
)

VIEW = (
    Key("enter", "Enter", "", "deeper: what the row is about", "deeper"),
    Key("escape,backspace", "Esc", "back", "back", "back"),
    Key("tab", "Tab", "focus_next", "next table on the page"),
    Key("slash", "/", "ask_filter", "only rows with a text", "filter"),
    Key("ampersand", "&", "ask_where", "only rows for which an expression is true: cpu_pct > 10 AND comm = 'cc1'"),
    Key("greater_than_sign", ">", "sort(1)", "sort by the next column"),
    Key("less_than_sign", "<", "sort(-1)", "sort by the previous column"),
    Key("r", "r", "reverse", "reverse the order"),
    Key("F", "F", "fold", "processes of one command together, or each for itself"),
    Key("v", "v", "tree", "processes as a tree, or flat"),
    Key("comma", ",", "sideways(-1)", "columns to the left"),
    Key("full_stop", ".", "sideways(1)", "columns to the right"),
    Key("P", "P", "ask_split", "split a measure by dimensions: time by comm, state"),
    Key("D", "D", "leave_out", "of what is split, leave out the value of this row"),
    Key("c", "c", "copy", "copy the command that shows the same", "copy"),
    Key("C", "C", "copy_sql", "copy the SQL that gives this table"),
    Key("z", "z", "maximize", "this table alone, or all"),
)

OTHER = (
    Key("exclamation_mark", "!", "ask_mark", "mark this instant of the recording", writes=True),
    Key(
        "w",
        "w",
        "save",
        "write what is kept as a trace, or the window marked with b or the mouse",
        writes=True,
    ),
    Key("question_mark", "?", "help", "all keys", "keys"),
    Key("ctrl+p", "Ctrl-P", "command_palette", "find a page or a command by its name"),
    Key("ctrl+z", "Ctrl-Z", "pause_program", "to the shell; fg comes back"),
    Key("q,ctrl+c", "q", "quit", "quit", "quit"),
)

GROUPS = (("Time", TIME), ("What is shown", VIEW), ("Other", OTHER))
EVERY = (*TIME, *VIEW, *OTHER)


def bindings() -> list[Binding]:
    """All of them, and those of pages."""
    found = [Binding(key.keys, key.action, key.about, show=False) for key in EVERY if key.action]
    found += [Binding(page.key, f"page('{page.name}')", page.title, show=False) for page in PAGES if page.key]
    return found
