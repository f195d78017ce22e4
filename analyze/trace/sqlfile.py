"""SQL files that describe themselves: one view each, with a title, a paragraph and a comment on every column.

Nothing here runs SQL. The files are part of sysmon; no text of a user or of a trace becomes one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "sql"

HEAD = re.compile(r"CREATE VIEW (?:(?P<schema>\w+)\.)?(?P<name>\w+)\(\n(?P<columns>.*?)\n\) AS\n", re.DOTALL)


@dataclass(frozen=True)
class Column:
    """A column of a view and what it means, its unit in square brackets."""

    name: str
    doc: str


@dataclass(frozen=True)
class View:
    """A view: its schema and name, the title, the paragraph below it, its columns, and the statement that makes it."""

    schema: str
    name: str
    title: str
    doc: str
    columns: tuple[Column, ...]
    sql: str


def read_view(path: Path) -> View:
    """The view that the file makes. Raises ValueError if the file does not have the form of the house."""
    text = path.read_text(encoding="utf-8")
    head = HEAD.search(text)
    if head is None:
        raise ValueError(f"{path}: no CREATE VIEW with a list of columns")
    comments = _comments(text[: head.start()])
    if len(comments) < 3 or comments[1]:
        raise ValueError(f"{path}: should start with a title, an empty comment line and a paragraph")
    return View(
        schema=head["schema"] or "main",
        name=head["name"],
        title=comments[0].rstrip("."),
        doc=" ".join(comments[2:]),
        columns=tuple(_columns(path, head["columns"])),
        sql=text,
    )


def _comments(text: str) -> list[str]:
    return [line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")]


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
