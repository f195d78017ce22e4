"""Where somebody is in what there is to see: a page, of what part of the trace, and how they came there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sysmon.analyze.trace.values import Value


@dataclass(frozen=True)
class Scope:
    """The processes that a page is about; none: all. `title` is what to call them."""

    pids: tuple[int, ...] = ()
    comms: tuple[str, ...] = ()
    cgroups: tuple[str, ...] = ()
    title: str = ""

    @property
    def of_some(self) -> bool:
        """Whether it is not all."""
        return bool(self.pids or self.comms or self.cgroups)


EVERYTHING = Scope()


@dataclass(frozen=True)
class Order:
    """The column that a section is sorted by, largest first unless it is reversed; none: as the report has it."""

    column: str = ""
    reverse: bool = False


@dataclass(frozen=True)
class Split:
    """A measure, the dimensions that it is split by, and the values that are chosen of others or left out.

    `chosen` are name, value and whether it is included. No dimensions: the usual ones of the measure.
    """

    measure: str = "time"
    by: tuple[str, ...] = ()
    chosen: tuple[tuple[str, Value, bool], ...] = ()

    @property
    def title(self) -> str:
        """What it is, in a few words."""
        found = f"{self.measure} by {', '.join(self.by)}" if self.by else self.measure
        for name, value, included in self.chosen:
            found += f", {'' if included else 'not '}{name} {'-' if value is None else value}"
        return found


@dataclass(frozen=True)
class Place:
    """A page with what it is about. `values` are those of its conditions.

    `filter` is text to be found in a row, `where` an expression over the columns of sections that have all of them.
    """

    page: str
    scope: Scope = EVERYTHING
    values: tuple[tuple[str, Value], ...] = ()
    filter: str = ""
    where: str = ""
    orders: tuple[tuple[int, Order], ...] = ()  # by section
    folded: bool = False
    tree: bool = False
    split: Split = Split()

    def order(self, section: int) -> Order:
        """How a section is sorted."""
        return dict(self.orders).get(section, Order())

    def sorted_by(self, section: int, order: Order) -> Place:
        """The same with a section sorted otherwise."""
        return replace(self, orders=tuple({**dict(self.orders), section: order}.items()))


@dataclass
class Trail:
    """The places on the way here; the last is here."""

    places: list[Place] = field(default_factory=list)

    @property
    def here(self) -> Place:
        """The last."""
        return self.places[-1]

    def enter(self, place: Place) -> None:
        """One deeper."""
        self.places.append(place)

    def begin(self, place: Place) -> None:
        """At the top again."""
        self.places = [place]

    def change(self, place: Place) -> None:
        """The same place, seen otherwise."""
        self.places[-1] = place

    def back(self) -> bool:
        """One up; False at the top."""
        if len(self.places) == 1:
            return False
        self.places.pop()
        return True
