"""Confines an untrusted trace: the database may only read it, and reports its defects in one line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from sysmon.analyze.trace import views
from sysmon.analyze.trace.database import TOO_LARGE, Database
from sysmon.analyze.trace.source import RETRY
from sysmon.bpf.trace_file import schema
from sysmon.bpf.trace_file.directory import OWN_DESCRIPTORS
from sysmon.bpf.types import TYPES
from sysmon.errors import BrokenTrace, CannotWrite
from sysmon.safe_text import one_line

LESS = "select less of it with --since and --until, --pid or --limit"

REFUSED = "refused: "
"""How our own SQL begins the text of an error(): what it refuses, and what to do."""

ROOM = "free some, or choose another directory with TMPDIR"

DEFECTS = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""Errors in our own SQL. Everything else that DuckDB raises is about invalid rows."""


def lock_in(database: Database, paths: Sequence[Path], directory: Path | None = None) -> None:
    """Gives the database access to these files, named by the variable `trace`, and to a directory of ours, only.

    DuckDB treats `*?[` in a file name as a pattern; in brackets each stands for itself. The access check sees the name
    with and without the brackets. External access can only be disabled after the paths are set.
    """
    patterns = ["".join(f"[{c}]" if c in "*?[" else c for c in str(path)) for path in paths]
    run = database.connection.execute
    run("SET TimeZone = 'UTC'")
    # Otherwise every view created, and every query, reads the footer again: 3 s to open a trace of 10 M rows.
    run("SET parquet_metadata_cache = true")
    run("SET VARIABLE trace = $1", [patterns])
    run("SET allowed_paths = $1", [[*map(str, paths), *patterns]])
    run("SET allowed_directories = $1", [[str(directory)] if directory else []])
    run("SET enable_external_access = false")


def present(database: Database, of: views.Relation, shown: str) -> frozenset[str]:
    """Names of the declared columns that the trace has. Raises BrokenTrace if the type of one differs."""
    rows = database.connection.execute(f"DESCRIBE SELECT * FROM {of.sql}").fetchall()
    found = {str(name): str(kind) for name, kind, *_ in rows}
    declared = {c.name: TYPES[c.type].duckdb for c in schema.all_columns()}
    for name in ("kind", "ts"):
        if name not in found:
            raise BrokenTrace(f"{shown}: has no column {name}; {RETRY}")
    if views.PLACE in map(str.lower, found):
        raise BrokenTrace(f"{shown}: has a column {views.PLACE}, which no sysmon writes; {RETRY}")
    for name, kind in found.items():
        if declared.get(name, kind) != kind:
            raise BrokenTrace(f"{shown}: column {name} has type {one_line(kind)} instead of {declared[name]}; {RETRY}")
    return frozenset(found.keys() & declared.keys())


@contextmanager
def reading(shown: str) -> Iterator[None]:
    """Context in which DuckDB's complaints about the trace's rows become BrokenTrace."""
    try:
        yield
    except duckdb.OutOfMemoryException as e:
        raise BrokenTrace(f"{shown}: {TOO_LARGE}; {LESS}") from e
    except (*DEFECTS, duckdb.InterruptException):
        raise
    except duckdb.PermissionException as e:
        if OWN_DESCRIPTORS not in str(e):
            raise
        # DuckDB is given one name only, and uses the file's current one in messages.
        raise BrokenTrace(f"{shown}: was renamed, replaced or removed during reading; try again") from e
    except duckdb.IOException as e:
        if "Could not write" in str(e):  # a temporary file: no other is written
            raise CannotWrite(f"no room for temporary files ({one_line(str(e))}); {ROOM}") from e
        raise BrokenTrace(f"{shown}: cannot be read ({one_line(str(e))}); {RETRY}") from e
    except duckdb.InvalidInputException as e:
        _, refused, why = str(e).partition(REFUSED)
        said = one_line(why) if refused else f"cannot be read ({one_line(str(e))}); {RETRY}"
        raise BrokenTrace(f"{shown}: {said}") from e
    except duckdb.Error as e:
        raise BrokenTrace(f"{shown}: cannot be read ({one_line(str(e))}); {RETRY}") from e
