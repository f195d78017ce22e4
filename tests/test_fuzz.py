"""Damaged traces are refused with one line or read, whatever the command; `script/fuzz` tries for longer."""

import contextlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sysmon
from sysmon.analyze.edit.repair import make_whole
from sysmon.bpf.trace_file import footer, journal, metadata, partial, schema, thrift
from sysmon.bpf.trace_file.parquet_thrift import FileMetaData, KeyValue
from sysmon.errors import SysmonError
from tests import traces
from tests.fuzz import mutations, seeds
from tests.lengths import LONG

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]

SECONDS = 20 if LONG else 10
"""Each run tries others. A seed has its own cases, so a failure can be reproduced."""


def test_commands_survive_damaged_traces(pytestconfig: pytest.Config) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", str(SECONDS), str(pytestconfig.option.hypothesis_seed)],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 faults" in done.stdout


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_any_metadata_is_refused_or_read(dice: random.Random) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = traces.write(Path(directory) / "t.parquet", [])
        path.write_bytes(mutations.description(path.read_bytes(), dice))
        with contextlib.suppress(SysmonError):
            sysmon.open(path).close()


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return seeds.cut_off(tmp_path_factory.mktemp("seed"))


def remade(cut_off: Path, place: Path, kind: bytes, change: object) -> Path:
    """A copy of the directory in which each log frame of a kind has different content."""
    made = place / cut_off.name
    made.mkdir()
    for path in cut_off.iterdir():
        (made / path.name).write_bytes(path.read_bytes())
    log = made / partial.LOG
    assert callable(change)
    found = [(k, change(c) if k == kind else c) for k, c in journal.frames(log.read_bytes())]
    log.write_bytes(b"".join(journal.frame(k, c) for k, c in found))
    return made


def changed(**values: object) -> object:
    return lambda content: json.dumps({**json.loads(content), **values}).encode()


MADE_UP = {
    "losses are gone": (journal.RECORDING, lambda c: json.dumps({"host": {}}).encode()),
    "losses are a number": (journal.RECORDING, changed(losses=7)),
    "losses of another shape": (journal.RECORDING, changed(losses=[{"cause": [], "place": {}, "lost": "x"}])),
    "there is no such journal": (journal.COMMIT, changed(journal=99)),
    "rows that are a list": (journal.COMMIT, changed(rows=[1])),
    "a commit of lists": (journal.COMMIT, changed(commit=[], changes=[])),
    "too deep": (journal.COMMIT, lambda c: b"[" * 100_000),
    "no object": (journal.GROUP, lambda c: b"[1]"),
    "rows of text": (journal.GROUP, changed(rows={"exec": "x"})),
    "a schema that is none": (journal.SCHEMA, lambda c: b"PAR1"),
}


@pytest.mark.parametrize(("kind", "change"), MADE_UP.values(), ids=MADE_UP)
def test_a_forged_log_is_one_line(cut_off: Path, tmp_path: Path, kind: bytes, change: object) -> None:
    made = remade(cut_off, tmp_path, kind, change)
    with pytest.raises(SysmonError) as refused:
        sysmon.open(made).close()
    assert "\n" not in str(refused.value)
    with pytest.raises(SysmonError):
        make_whole(made, None, force=False)


def test_a_row_group_elsewhere_is_damage_and_takes_no_memory(cut_off: Path, tmp_path: Path) -> None:
    made = remade(cut_off, tmp_path, journal.GROUP, changed(end=1 << 50))
    with sysmon.open(made) as trace:
        assert any(loss["cause"] == metadata.DAMAGED for loss in trace.metadata["losses"])


def test_mutations_do_what_they_say() -> None:
    """Otherwise the fuzzer would only find that nonsense is refused."""
    whole = seeds.SAMPLE.read_bytes()
    for number in range(20):
        footer.read(mutations.footer_fields(whole, random.Random(number)))
        found = footer.read(mutations.description(whole, random.Random(number)))
        pairs = found[FileMetaData.KEY_VALUE_METADATA].items
        assert any(pair[KeyValue.KEY].value == schema.METADATA_KEY for pair in pairs)
    assert thrift.dump(footer.read(whole)) == whole[mutations.footer_at(whole) : -8]
