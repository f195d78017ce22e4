"""A user's own query: whether it may run, and which names it uses, as far as its words show.

SQL is searched by regular expression only here: sysmon's own files declare what they need.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import duckdb

from sysmon.analyze.trace.reports import reports
from sysmon.errors import BadRequest, did_you_mean

WORD = re.compile(r'\b(?:(\w+)"?\."?)?(\w+)')
"""What a user's query may name, with a schema or in `main`."""

ABSENT = re.compile(r"Catalog Error: Table with name (?P<name>.+?) does not exist!")

LOOKS_AT_VIEWS = re.compile(r"\b(duckdb_\w+|information_schema|pg_\w+|show)\b", re.IGNORECASE)
"""Names in a user's query that list views: it must then see all of them, which takes seconds to create."""


def check(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Raises BadRequest unless it is one statement that reads, and duckdb.Error if it is not valid SQL."""
    statements = connection.extract_statements(query)
    if len(statements) != 1:
        raise BadRequest(f"give one SQL statement, not {len(statements)}")
    if statements[0].type != duckdb.StatementType.SELECT:  # also DESCRIBE, SUMMARIZE, SHOW, VALUES
        raise BadRequest(f"only queries that read are allowed, such as SELECT; this is {statements[0].type.name}")
    if statements[0].named_parameters:
        raise BadRequest("the query has a parameter ($1 or ?) without a value; write the value")


def looks_at_views(query: str) -> bool:
    """Whether it lists views, and so has to see all of them."""
    return LOOKS_AT_VIEWS.search(query) is not None


def names_in(query: str) -> list[str]:
    """Qualified names that it may use, each once: many of them do not exist."""
    return [*dict.fromkeys(f"{space or 'main'}.{name}".lower() for space, name in WORD.findall(query))]


@contextmanager
def absent_tables_told(known: Collection[str]) -> Iterator[None]:
    """Raises BadRequest, which suggests similar names, for an unknown table. `known`: the catalogue's names."""
    try:
        yield
    except duckdb.CatalogException as error:
        if absent := ABSENT.match(str(error)):
            raise BadRequest(f"there is no table {absent['name']}; {_hint(absent['name'], known)}") from None
        raise


def _hint(name: str, known: Collection[str]) -> str:
    typed = {report.name: f"report.{report.name}" for report in reports()}
    main = [full.removeprefix("main.") for full in known if full.startswith("main.")]
    typed |= {bare: f"{bare} or {typed[bare]}" for bare in main if bare in typed}
    return did_you_mean(name, {*main, *typed}, "`SHOW ALL TABLES` lists them", typed)
