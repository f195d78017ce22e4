"""SQL files that document themselves: one view each, with a title, a paragraph and a comment for each column.

The head ends with declarations:

    -- needs: main.cpu, unfiltered.processes      the views and macros that the statement names
    -- kept: window                               its rows are computed once, and again if the window is moved; or
                                                  `recording`, which has no window
    -- only of: waits                             it has no rows in a trace that has none of this kind, or of one of
                                                  these: such a view is not planned, which is most of what it costs
    -- first rows: finding.tally, finding.stats   for a few rows, less is read: the first has a row for each, and the
                                                  second is replaced by the view of that name in `sql/first_rows`

Nothing here runs SQL. The files are part of sysmon; no text of a user or of a trace becomes one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "sql"

DECLARED = ("needs", "kept", "first rows", "only of")

KEPT = ("", "window", "recording")


@dataclass(frozen=True)
class Column:
    """A view's column and its meaning, with the unit in square brackets."""

    name: str
    doc: str


@dataclass(frozen=True)
class View:
    """A view: its schema and name, the title, the paragraph below it, its columns, and its query."""

    schema: str
    name: str
    title: str
    doc: str
    columns: tuple[Column, ...]
    query: str
    needs: tuple[str, ...] = ()
    kept: str = ""
    first_rows: tuple[str, ...] = ()
    only_of: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """Name with schema, as in the `needs` of other files."""
        return f"{self.schema}.{self.name}"


@dataclass(frozen=True)
class Macro:
    """One of our SQL functions, in the schema `unfiltered`."""

    name: str
    statement: str
    needs: tuple[str, ...]


def read_view(path: Path) -> View:
    """The view of a file. Raises ValueError if the file does not follow the required form."""
    text = path.read_text(encoding="utf-8")
    head, made, rest = text.partition("CREATE VIEW ")
    name, _, rest = rest.partition("(\n")
    columns, ended, query = rest.partition("\n) AS\n")
    if not made or not ended:
        raise ValueError(f"{path}: no CREATE VIEW with a list of columns")
    comments, declared = _head(path, head)
    if len(comments) < 3 or comments[1]:
        raise ValueError(f"{path}: should start with a title, an empty comment line and a paragraph")
    schema, _, bare = name.rpartition(".")
    kept = declared.get("kept", "")
    if kept not in KEPT:
        raise ValueError(f"{path}: kept of {kept}?")
    return View(
        schema=schema or "main",
        name=bare,
        title=comments[0].rstrip("."),
        doc=" ".join(comments[2:]).strip(),
        columns=tuple(_columns(path, columns)),
        query=query.strip().rstrip(";"),
        needs=_names(declared.get("needs", "")),
        kept=kept,
        first_rows=_names(declared.get("first rows", "")),
        only_of=_names(declared.get("only of", "")),
    )


def read_macro(path: Path) -> Macro:
    """The macro of a file in `sql/macros`."""
    text = path.read_text(encoding="utf-8")
    head, made, rest = text.partition("CREATE MACRO ")
    _, declared = _head(path, head)
    return Macro(path.stem, made + rest, _names(declared.get("needs", "")))


def _head(path: Path, text: str) -> tuple[list[str], dict[str, str]]:
    """The comments without declarations, and the declarations."""
    comments: list[str] = []
    declared: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        comment = line.removeprefix("--").strip()
        name, colon, value = comment.partition(":")
        if colon and name in DECLARED:
            key = name
            declared[key] = value.strip()
        elif key:
            declared[key] += f" {comment}"
        elif line:
            comments.append(comment)
    while comments and not comments[-1]:
        comments.pop()
    return comments, declared


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _columns(path: Path, text: str) -> list[Column]:
    columns = []
    doc: list[str] = []
    for line in map(str.strip, text.splitlines()):
        if line.startswith("--"):
            doc.append(line.removeprefix("--").strip())
            continue
        name = line.rstrip(",").strip('"')
        if not doc:
            raise ValueError(f"{path}: column {name} has no comment")
        columns.append(Column(name, " ".join(doc)))
        doc = []
    return columns
