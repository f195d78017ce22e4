"""The catalogue of a trace: everything that SQL can name, created when first needed, after what it depends on.

A trace has two hundred views and macros, of which a report reads ten. Creating them all takes a tenth of a second, as
long as most reports. What is kept is computed once as a table: a table of the window until the window moves.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from sysmon.analyze.trace.sqlfile import Macro, View

MOST_INTERRUPTS = 1_000
"""How often a rollback is tried. An interrupt ends one only if it comes while it runs, for a few us."""

MOST_QUERIES = 200
"""Internal queries of which it is known what they name."""


@dataclass(frozen=True)
class Entry:
    """A view or a macro, with its qualified name.

    `body` is the query of a view, whose columns are renamed to `columns` if there are any; for a macro, the statement.
    `kept` is as in an SQL file.
    """

    name: str
    needs: tuple[str, ...]
    body: str
    columns: tuple[str, ...] = ()
    kept: str = ""
    is_macro: bool = False

    @classmethod
    def of(cls, found: View | Macro) -> Entry:
        """The entry of an SQL file."""
        if isinstance(found, Macro):
            return cls(f"unfiltered.{found.name}", found.needs, found.statement.strip().rstrip(";"), is_macro=True)
        return cls(found.full_name, found.needs, found.query, tuple(c.name for c in found.columns), found.kept)

    @classmethod
    def without_rows(cls, found: View) -> Entry:
        """The same view, of a trace in which it has none."""
        columns = ", ".join(f"NULL AS {name_sql(column.name)}" for column in found.columns)
        return cls(found.full_name, (), f"SELECT {columns} WHERE FALSE")

    @property
    def sql_name(self) -> str:
        """The name in SQL."""
        schema, _, name = self.name.partition(".")
        return f"{schema}.{name_sql(name)}"

    def statement(self, keep: bool, *, again: bool) -> str:
        """The statement that creates it. `again`: replace the existing view."""
        if self.is_macro:
            return self.body
        columns = f"({', '.join(map(name_sql, self.columns))})" if self.columns else ""
        create = "CREATE OR REPLACE VIEW" if again else "CREATE VIEW"
        if not keep:
            return f"{create} {self.sql_name}{columns} AS {self.body}"
        table = f"kept.{name_sql(self.name)}"
        return f"CREATE TABLE {table}{columns} AS {self.body}; {create} {self.sql_name} AS FROM {table}"


def name_sql(name: str) -> str:
    """One of our names as an SQL identifier; some, such as `where`, are keywords."""
    return '"' + name.replace('"', '""') + '"'


class Before(Protocol):
    """What is done before views are made, and before they are read."""

    def __call__(self, names: Collection[str], *, reads: bool) -> None: ...


class Catalog:
    """What can be created for a trace, and what has been. Raises duckdb.Error."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, entries: Iterable[Entry], before: Before | None = None
    ) -> None:
        """`before` is told what is about to be made, and what is about to be read."""
        self._connection, self._before = connection, before
        self._entries: dict[str, Entry] = {entry.name: entry for entry in entries}
        self._made: set[str] = set()
        self._kept: set[str] = set()
        self._named: OrderedDict[str, set[str]] = OrderedDict()  # what queries name
        schemas = {"kept", "diff", *(name.partition(".")[0] for name in self._entries)} - {"main"}
        connection.execute("; ".join(f"CREATE SCHEMA {schema}" for schema in sorted(schemas)))

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    @property
    def names(self) -> list[str]:
        """All names."""
        return list(self._entries)

    def require(self, names: Iterable[str], *, keep: bool = True) -> set[str]:
        """Creates these and what they need, unless they exist. `keep`: as tables, where that is declared.

        Returns the names of views that were replaced by views of a table. Raises KeyError.
        """
        names = list(names)
        if self._before:
            self._before(self._reads(names), reads=keep)
        missing = [entry for entry in self._in_order(names) if self._is_missing(entry, keep)]
        if not missing:
            return set()
        again = {entry.name for entry in missing if entry.name in self._made}
        self._run(entry.statement(keep and bool(entry.kept), again=entry.name in again) for entry in missing)
        self._made.update(entry.name for entry in missing)
        self._kept.update(entry.name for entry in missing if keep and entry.kept)
        return again

    def keeps(self, name: str) -> bool:
        """Whether there is a table of it."""
        return name in self._kept

    def _reads(self, names: Iterable[str]) -> set[str]:
        """These and what they need that is read for them: not what a table was made of that is kept."""
        out: set[str] = set()
        left = list(names)
        while left:
            name = left.pop()
            if name not in out:
                out.add(name)
                left += () if name in self._kept else self._entries[name].needs
        return out

    def _is_missing(self, entry: Entry, keep: bool) -> bool:
        return entry.name not in self._made or (keep and bool(entry.kept) and entry.name not in self._kept)

    def _in_order(self, names: Iterable[str]) -> list[Entry]:
        """These entries and their dependencies, dependencies first; not what a kept table was made of."""
        out: dict[str, Entry] = {}

        def visit(name: str) -> None:
            if name not in out:
                entry = self._entries[name]
                for needed in () if name in self._kept else entry.needs:
                    visit(needed)
                out[name] = entry

        for name in names:
            visit(name)
        return list(out.values())

    def _run(self, statements: Iterable[str]) -> None:
        try:  # one by one takes twice as long
            self._connection.execute(";\n".join(["BEGIN", *statements, "COMMIT"]))
        except duckdb.Error:
            self._roll_back()
            raise

    def _roll_back(self) -> None:
        """Undoes what was begun, even if whoever interrupted it goes on interrupting."""
        for _ in range(MOST_INTERRUPTS):
            try:
                self._connection.execute("ROLLBACK")
            except duckdb.InterruptException:
                continue
            except duckdb.Error:  # nothing was begun
                return
            return

    def forget(self, kept: str) -> None:
        """Drops what is kept of the window, after it has moved, or of the recording."""
        self._drop([self._entries[name] for name in self._kept if self._entries[name].kept == kept])

    def exchange(self, entries: Iterable[Entry]) -> list[Entry]:
        """Replaces entries by these of the same names. Returns the replaced ones."""
        others = [entry for entry in entries if self._entries.get(entry.name) != entry]
        replaced = [self._entries[entry.name] for entry in others if entry.name in self._entries]
        self._drop([entry for entry in replaced if entry.name in self._made])
        self._entries.update((entry.name, entry) for entry in others)
        return replaced

    def _drop(self, made: list[Entry]) -> None:
        views = [f"DROP VIEW {entry.sql_name}" for entry in made]
        tables = [f"DROP TABLE kept.{name_sql(entry.name)}" for entry in made if entry.name in self._kept]
        if made:
            self._run([*views, *tables])
        names = {entry.name for entry in made}
        self._made -= names
        self._kept -= names

    def named_in(self, query: str) -> set[str]:
        """The catalogue names in an internal query, by DuckDB's parser."""
        if query not in self._named:
            if len(self._named) == MOST_QUERIES:
                self._named.popitem(last=False)
            ((text,),) = self._connection.execute("SELECT json_serialize_sql(CAST($1 AS VARCHAR))", [query]).fetchall()
            self._named[query] = set(_names(json.loads(text)))
        return {name for name in self._named[query] if name in self._entries}


def _names(node: Any) -> Iterator[str]:
    """Qualified names of tables and functions in a parsed query; unqualified ones are the query's own."""
    if isinstance(node, list):
        for item in node:
            yield from _names(item)
    elif isinstance(node, Mapping):
        if node.get("type") == "BASE_TABLE":
            yield f"{node['schema_name']}.{node['table_name']}"
        elif node.get("class") == "FUNCTION" and node.get("schema"):
            yield f"{node['schema']}.{node['function_name']}"
        for item in node.values():
            yield from _names(item)
