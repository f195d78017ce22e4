"""Coverage-guided fuzzing, with atheris, of the reader's Python code.

`python -m tests.fuzz.guided` takes libFuzzer's arguments, such as -max_total_time=60. Thrift, pages, logs and journals
of interrupted recordings, and metadata: all in one process. Any exception that is not a refusal ends it with a
traceback.
"""

import contextlib
import io
import json
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["sysmon"]):
    from sysmon.analyze.trace.source import _recording
    from sysmon.bpf.trace_file import footer, journal, pages, partial, recover, thrift, unfinished

from sysmon.bpf.trace_file.directory import Directory
from sysmon.errors import SysmonError
from tests.fuzz import seeds

SCRATCH = Path(tempfile.mkdtemp(prefix="sysmon-fuzz-")) / ".t.parquet.0.partial"
SEED: dict[str, bytes] = {}
COLUMNS: list[footer.Leaf] = []


def one(data: bytes) -> None:
    """One case: the first byte selects what the rest is."""
    kind, rest = data[:1], data[1:]
    match kind[0] % 5 if kind else 0:
        case 0:
            with contextlib.suppress(thrift.Malformed):
                thrift.Reader(rest).struct()
        case 1:
            with contextlib.suppress(pages.BadPages):
                pages.row_group(rest, 4, 300, COLUMNS)
        case 2:
            with contextlib.suppress(SysmonError):
                _recording("t.parquet", rest)
        case 3:
            _cut_off({partial.LOG: _with_checksums(rest)})
        case _:
            _cut_off({partial.JOURNALS[0]: journal.frame(journal.BATCH, rest)})


def _with_checksums(data: bytes) -> bytes:
    """A log with the seed's schema and the given lines: each a frame, whose kind is its first character."""
    first = next(c for k, c in journal.frames(SEED[partial.LOG]) if k == journal.SCHEMA)
    lines = [line for line in data.split(b"\n") if line]
    return b"".join([journal.frame(journal.SCHEMA, first), *(journal.frame(n[:1], n[1:]) for n in lines)])


def _cut_off(files: dict[str, bytes]) -> None:
    for name, content in {**SEED, **files}.items():
        (SCRATCH / name).write_bytes(content)
    with contextlib.suppress(SysmonError):
        recover.write(*unfinished.read_parts([Directory.hold(SCRATCH)]), io.BytesIO())


def main() -> None:
    made = seeds.cut_off(Path(tempfile.mkdtemp(prefix="sysmon-fuzz-")))
    SEED.update({path.name: path.read_bytes() for path in made.iterdir()})
    SCRATCH.mkdir()
    part = unfinished.read(Directory.hold(made))
    COLUMNS.extend(footer.leaves(footer.read(part.empty)))
    corpus = Path(tempfile.mkdtemp(prefix="sysmon-fuzz-"))
    log = [kind + content for kind, content in journal.frames(SEED[partial.LOG]) if kind != journal.SCHEMA]
    batch = next(content for name in partial.JOURNALS for _, content in journal.frames(SEED.get(name, b"")))
    cases = (
        b"\0" + part.empty[-2000:-8], b"\1" + SEED[partial.ROWS][4 : part.groups[0].end],
        b"\2" + json.dumps(part.recording).encode(), b"\3" + b"\n".join(log), b"\4" + batch,
    )  # fmt: skip
    for number, case in enumerate(cases):
        (corpus / str(number)).write_bytes(case)
    atheris.Setup([sys.argv[0], "-rss_limit_mb=600", "-timeout=20", *sys.argv[1:], str(corpus)], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
