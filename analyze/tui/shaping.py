"""The query of a section: a report's rows that fit the place, in its order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from sysmon.analyze.follow.kinds import ALL, chosen, events_query
from sysmon.analyze.trace.catalog import name_sql
from sysmon.analyze.trace.values import Value
from sysmon.analyze.tui.pages import EVENTS, Section, view_of
from sysmon.analyze.tui.places import Order, Place

ADDED_UP = frozenset(
    "cpu_pct cpu_s wait_s syscalls errors rss_mib growth_mib read_bytes written_bytes storage_read_bytes "
    "storage_written_bytes".split()
)
"""Columns that have a sum over processes. Shared memory counts for each, as in the report."""

EVENT_COLUMNS = ("ts", "event", "comm", "pid", "error", "what", "latency_us", "start", "failed")

Put = Callable[[str, Value], str]
"""Puts a value into a query, by a name of its own: returns the SQL that stands for it."""


class Parameters(dict[str, Value]):
    """The values of a query's parameters."""

    def put(self, name: str, value: Value) -> str:
        """The parameter of that value."""
        self[name] = value
        return f"${name}"


def literal(_name: str, value: Value) -> str:
    """The value itself as SQL, for a query that is shown."""
    if value is None:
        return "NULL"
    if isinstance(value, bool | int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def columns_of(section: Section) -> tuple[str, ...]:
    """The columns of a section in the order of the screen: what it names, then all others of its report."""
    if section.report == EVENTS:
        return EVENT_COLUMNS
    every = tuple(column.name for column in view_of(section).columns)
    return (*section.columns, *(name for name in every if name not in section.columns))


def required(section: Section, place: Place, put: Put) -> Iterator[str]:
    """The conditions that columns of a section have the values of the place."""
    given = dict(place.values)
    for condition in section.where:
        name, _, of = condition.partition("=")
        yield f"{name_sql(name)} IS NOT DISTINCT FROM {put(f'of_{name}', given.get(of or name))}"


def source(section: Section, kinds: Collection[str]) -> str:
    """What a section's rows come from, of a recording of these kinds."""
    if section.report != EVENTS:
        return view_of(section).full_name
    found, _ = chosen(ALL, kinds)
    return (
        "(SELECT CAST(make_timestamp_ns(ts_ns) AS TIMESTAMPTZ_NS) AS ts, event, comm, pid, error, what, "
        f"latency_ns / 1e3 AS latency_us, start, failed FROM ({events_query(found)}) "
        "ORDER BY ts_ns DESC, event, pid, what)"
    )


def query(section: Section, place: Place, number: int, where: str | None, put: Put, kinds: Collection[str] = ()) -> str:
    """The SQL of a place's section, the `number`th on its page. `where`: a checked condition over its columns."""
    columns = columns_of(section)
    sql = f"SELECT {', '.join(map(name_sql, columns))} FROM {source(section, kinds)}"
    if conditions := list(_conditions(section, place, columns, where, put)):
        sql += f" WHERE {' AND '.join(conditions)}"
    order = ordered(place.order(number))
    if place.folded and {"pid", "comm"} <= set(columns) and (added := [name for name in columns if name in ADDED_UP]):
        sums = ", ".join(f"SUM({name_sql(name)}) AS {name_sql(name)}" for name in added)
        sql = f"SELECT comm, COUNT(*) AS processes, {sums} FROM ({sql}) GROUP BY comm"
        return sql + (order or f" ORDER BY {name_sql(added[0])} DESC NULLS LAST, comm")
    return sql + order


def _conditions(section: Section, place: Place, columns: tuple[str, ...], where: str | None, put: Put) -> Iterator[str]:
    yield from required(section, place, put)
    if place.filter:
        texts = ", ".join(f"CAST({name_sql(name)} AS VARCHAR)" for name in columns)
        yield f"CONTAINS(LOWER(CONCAT_WS(' ', {texts})), {put('text', place.filter.lower())})"
    if where is not None:
        yield f"({where})"


def ordered(order: Order) -> str:
    """The ORDER BY of it; empty: as the report has it."""
    if not order.column:
        return ""
    return f" ORDER BY {name_sql(order.column)} {'ASC' if order.reverse else 'DESC'} NULLS LAST"
