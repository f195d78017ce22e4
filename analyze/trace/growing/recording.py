"""A recording that another process still writes, as a dataset that can be looked at again and again.

A look takes what was committed since the last one. Rows that wait for a row group are held as Arrow tables, of which a
recorder has some megabytes; row groups stay on the disk, and are copied to be read when a window needs them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, cast

import pyarrow as pa

from sysmon.analyze.trace.growing import segments
from sysmon.analyze.trace.growing.parts import News, Part
from sysmon.analyze.trace.growing.places import NamedParts, Place
from sysmon.analyze.trace.growing.segments import Piece, Segments
from sysmon.analyze.trace.source import Source, left_of, recording_of
from sysmon.analyze.trace.wellformed import misfit_of_some
from sysmon.bpf.trace_file import partial, unfinished
from sysmon.bpf.trace_file.files import Files
from sysmon.bpf.trace_file.journal import OPENING
from sysmon.bpf.trace_file.metadata import DAMAGED, RUNNING, Recording
from sysmon.bpf.trace_file.unfinished import BadPartial, Following
from sysmon.bpf.trace_file.waiting import merged
from sysmon.errors import BrokenTrace
from sysmon.safe_text import one_line

EVERYTHING = ""
"""In place of a kind: rows of all."""

_GROWS = {"ended_ns", "losses", "rows", "stopped_by"}
"""What a commit changes of what a recording says of itself."""


class Growing:
    """The parts of a recording, and what is in them. Raises BadPartial, BrokenTrace, OSError.

    Several open traces may share it; the last that discards it closes it.
    """

    files: tuple[Source, ...] = ()
    table = None

    def __init__(self, place: Place, most_bytes: int = segments.MOST_BYTES) -> None:
        """`place`, which is closed with this; `most_bytes`: of the copies that are read."""
        self._where = place
        self._users = 1
        self.path = place.path
        self._parts: list[Part] = []
        self._segments: Segments | None = None
        self._index: dict[str, list[Piece]] = {}
        self._numbers = 0
        self.columns: frozenset[str] = frozenset()  # that the recording has; who opens it finds out
        self._whole: dict[str, Any] = {}
        self.recording: Recording  # what a trace of what there is says of itself
        self.waiting: dict[str, pa.Table] = {}
        self.news = News()  # what the last look found
        try:
            for name in place.names():
                self._begin(name)
            if not self._parts:
                raise BadPartial(f"{self.path}: {unfinished.NOTHING_YET}")
            self._take(News())
            self._segments = Segments(most_bytes)
            self.empty = self._segments.empty(self._parts[0].source)
        except BaseException:
            self._close()
            raise

    # -- what it is

    @property
    def unfinished(self) -> Path:
        """The directory of its first part."""
        return self.part_files.path

    @property
    def part_files(self) -> Files:
        """What that holds."""
        return self._parts[0].source.files

    @property
    def size_bytes(self) -> int:
        """Of its row groups."""
        return sum(part.partial.groups[-1].end for part in self._parts if part.partial.groups)

    @property
    def place(self) -> Path:
        """Where the files come and go that DuckDB is to read."""
        return self._files.place

    @property
    def held(self) -> list[object]:
        """What must stay open as long as something reads: nothing, as copies are read."""
        return []

    @property
    def again(self) -> Growing:
        """What to open for the same again."""
        return self

    def shared(self) -> Growing:
        """The same for one more, who discards it."""
        self._users += 1
        return self

    def discard(self) -> None:
        """Closes it, and removes what was made for reading, if nobody else has it."""
        self._users -= 1
        if not self._users:
            self._close()

    def _close(self) -> None:
        for part in self._parts:
            part.source.close()
        if self._segments:
            self._segments.discard()
        self._where.close()

    # -- how it grows

    def refresh(self) -> News:
        """Takes what was committed meanwhile, and does not wait for more."""
        self.news = news = News()
        before = sum(self._whole["rows"].values())
        names = self._where.names()  # first: what is over by now is read to its end
        for part in self._parts:
            news.committed |= part.source.following.read()
            _note_waiting(part, news)
        self._follow_parts(names, news)
        if self._is_as_before(names, news):
            return news
        if not self._where.runs(self._parts[-1].partial):
            news.finished = self._finished()
        if news.finished:
            return news
        self._take(news)
        news.rows = max(0, sum(self._whole["rows"].values()) + news.rows_gone - before)
        return news

    def _is_as_before(self, names: list[str], news: News) -> bool:
        """Whether there is nothing new, and more may come."""
        if news.committed or news.parts_gone or self.recording["stopped_by"] != RUNNING:
            return False
        return names == [part.name for part in self._parts] and self._where.runs(self._parts[-1].partial)

    def _begin(self, name: str) -> bool:
        """Opens a part, if something was committed in it."""
        with ExitStack() as undo:
            files = undo.enter_context(closing(self._where.open(name)))
            try:
                following = undo.enter_context(closing(Following(files)))
                following.read()
                source = segments.Source(files, following)
            except BadPartial:
                if not self._parts:
                    raise
                return False  # it may have been begun a moment ago
            undo.pop_all()  # which the source closes
        self._parts.append(Part(name, self._numbers, source))
        self._numbers += 1
        return True

    def _follow_parts(self, names: list[str], news: News) -> None:
        """Lets parts go that their recorder removed, and opens those that it began."""
        for name in names:
            if _order(name) > _order(self._parts[-1].name) and self._begin(name):
                news.committed = True
                _note_waiting(self._parts[-1], news)
        for part in [part for part in self._parts[:-1] if part.name not in names]:
            self._parts.remove(part)
            news.rows_gone += sum(part.source.following.present().values())
            part.source.close()
            self._files.forget(part.number)
            news.parts_gone = True

    def _finished(self) -> Path | None:
        recording: Recording = {**self.recording, "ended_ns": self._whole["ended_ns"]}
        return self._where.finished(recording, self._parts[-1].source.rows)

    def _take(self, news: News) -> None:
        """Brings up to date what is known of all parts."""
        parts = [part.partial for part in self._parts]
        self._whole = unfinished.joined_recording(parts)
        if self._where.runs(parts[-1]):
            self._whole["stopped_by"] = RUNNING
        self.waiting = merged([part.waiting for part in parts])
        for part in self._parts:
            self._index_groups(part, news)
        if news.parts_gone:
            there = {part.number for part in self._parts}
            self._index = {k: [p for p in pieces if p.part in there] for k, pieces in self._index.items()}
        self._count()

    def _index_groups(self, part: Part, news: News) -> None:
        groups = part.partial.groups
        for number in range(part.taken, len(groups)):
            group = groups[number]
            piece = Piece(part.number, number, group, groups[number - 1].end if number else 0)
            for kind in (*group.rows, EVERYTHING):
                self._index.setdefault(kind, []).append(piece)
                news.pieces.setdefault(kind, []).append(piece)
        part.taken = len(groups)

    def _count(self) -> None:
        """How many rows of each kind there are, and what is missing that a commit knew of."""
        parts = [part.partial for part in self._parts]
        bad = Counter[str]()
        for piece in self._segments.damaged if self._segments else ():
            bad.update(piece.group.rows)
        there = sum((part.source.following.present() for part in self._parts), Counter[str]())
        expected = sum((Counter(part.expected) for part in parts), Counter[str]())
        lost = {kind: count - there.get(kind, 0) + bad[kind] for kind, count in expected.items()}
        self._whole["rows"] = {kind: there.get(kind, 0) - bad[kind] for kind in self._whole["rows"]}
        damaged = [{"cause": DAMAGED, "place": kind, "lost": count} for kind, count in lost.items() if count]
        self._whole["losses"] = [loss for loss in self._whole["losses"] if loss["cause"] != DAMAGED] + damaged
        self.recording = self._checked()

    def _checked(self) -> Recording:
        """What it says of itself; what it said before is not checked again. Raises BrokenTrace, NewerTrace."""
        whole, before = self._whole, cast(dict[str, Any], getattr(self, "recording", {}))
        changed = {key: value for key, value in whole.items() if key not in before or before[key] != value}
        if (
            changed.keys() <= _GROWS
            and before.keys() <= whole.keys()
            and not misfit_of_some(changed, Recording)
            and whole["started_ns"] <= whole["ended_ns"]
        ):
            return cast(Recording, before | changed)
        return recording_of(one_line(str(self.unfinished)), json.dumps(whole).encode())

    # -- what is read of it

    @property
    def _files(self) -> Segments:
        assert self._segments
        return self._segments

    def provide(
        self, who: int, kinds: Mapping[str, Collection[str]], since_ns: int | None, until_ns: int | None
    ) -> dict[str, list[str]]:
        """Files of row groups by variable: of some kinds all, under `unfiltered`, or those of the window, `here`."""
        wanted = {f"unfiltered_{kind}": self._index.get(kind, []) for kind in kinds["unfiltered"]}
        for kind in kinds["here"]:
            wanted[f"here_{kind}"] = [p for p in self._index.get(kind, []) if p.touches(since_ns, until_ns)]
        self._need(who, list(dict.fromkeys(piece for found in wanted.values() for piece in found)))
        # The columns are taken from the first file.
        return {name: [str(self.empty), *self._files.paths(found)] for name, found in wanted.items()}

    def pieces_of(self, kind: str) -> list[Piece]:
        """The row groups that have rows of a kind."""
        return self._index.get(kind, [])

    def provide_pieces(self, who: int, pieces: list[Piece]) -> list[str]:
        """Files of these row groups."""
        self._need(who, pieces)
        return self._files.paths(pieces)

    def _need(self, who: int, pieces: list[Piece]) -> None:
        bad = len(self._files.damaged)
        try:
            self._files.need(who, pieces, {part.number: part.source for part in self._parts})
        except segments.TooLarge as error:
            raise BrokenTrace(f"{one_line(str(self.unfinished))}: {error}; ask for a window of it") from None
        if len(self._files.damaged) > bad:
            self._count()

    def need_no_more(self, who: int) -> None:
        """One who shared it looks at nothing any more."""
        self._files.need_no_more(who)


def _note_waiting(part: Part, news: News) -> None:
    for kind, tables in part.source.following.new.items():
        news.waiting.setdefault(kind.removeprefix(OPENING), []).extend(tables)


def _order(name: str) -> tuple[int, str]:
    return len(name), name


def running(path: Path) -> Growing | None:
    """The recording into this file, if it still runs and may be read. Raises NotATrace, BrokenTrace, BadPartial."""
    with suppress(OSError), left_of(path) as left:  # what is wrong is said by who makes a file of it
        if not left:
            return None
        with left.parts() as directories:
            if not partial.is_running(directories[-1]):
                return None
        return Growing(NamedParts(left.parent, left.names))
    return None
