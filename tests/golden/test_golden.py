"""All outputs for the handmade sample against golden files; `pytest tests/golden --update-golden` rewrites them."""

import io
import sys
from pathlib import Path

import pytest

import sysmon.cli
from sysmon.analyze.trace.reports import reports
from tests import traces
from tests.golden import sample

HERE = Path(__file__).parent

OUTPUTS = {
    **{r.name: ["report", "TRACE", r.name] for r in reports()},
    "summary": ["report", "TRACE"],
    "summary.json": ["report", "TRACE", "--format", "json"],
    "summary.markdown": ["report", "TRACE", "--format", "markdown"],
    "window": ["report", "TRACE", "--since", "+1.5", "--until", "+7", "--comm", "cc", "--comm", "make"],
    "processes.csv": ["report", "TRACE", "processes", "--format", "csv"],
    "processes.json": ["report", "TRACE", "processes", "--format", "json"],
    "processes.markdown": ["report", "TRACE", "processes", "--format", "markdown"],
    "dump": ["dump", "TRACE"],
    "export": ["export", "TRACE"],
    "export.off_cpu": ["export", "TRACE", "--of", "off_cpu", "--pid", "60"],
    "list": ["report", "--list"],
    "replay.plain": ["replay", "TRACE", "--plain"],
    "replay.plain.json": ["replay", "TRACE", "--plain", "--format", "json", "--top", "2", "--every", "5s"],
    "replay.events": ["replay", "TRACE", "--events"],
    "replay.events.json": ["replay", "TRACE", "--events", "--format", "json"],
}


@pytest.fixture(scope="module")
def trace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("golden") / "sample.parquet"
    return traces.write(path, sample.rows(), probes=sample.PROBES, losses=sample.LOSSES)


@pytest.mark.parametrize("name", OUTPUTS)
def test_golden(name: str, trace: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    arguments = [str(trace) if a == "TRACE" else a for a in OUTPUTS[name]]
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    monkeypatch.setattr(sys, "argv", ["sysmon", *arguments])
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as ended:
        sysmon.cli.main()
    assert ended.value.code == 0
    stream.seek(0)
    # The file size depends on the version of pyarrow that wrote it.
    size = trace.stat().st_size
    text = stream.read().replace(f", {size / 1024:.1f} KiB", ", SIZE")
    golden = HERE / f"{name}.txt"
    if request.config.getoption("--update-golden"):
        golden.write_text(text, encoding="utf-8")
    assert text == golden.read_text(encoding="utf-8")
