"""Each notebook runs, finds the answer that its trace was made for, and shows its current outputs.

A notebook is stored with its outputs, so that GitHub shows them. `--update-golden` runs it and stores new ones. Texts
are compared; pictures are not, as they depend on versions and fonts.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"

ANSWERS = {
    "slow_endpoint": (
        "assert endpoints.endpoint.iloc[0] == 'checkout' and endpoints.p50_ms.iloc[0] > 10 * endpoints.p50_ms.iloc[1]",
        "assert set(out.remote_port) == {9090} and len(out) == 200 == endpoints.requests.iloc[0]",
        "assert service == 'payments.py'",
    ),
    "slow_commits": (
        "assert orders.syscall.iloc[0] == 'fdatasync' and orders.of_lifetime_pct.iloc[0] > 50",
        "assert per_commit.per_commit.tolist() == [4, 4] and per_commit.commits['orders.py'] == 1001",
        "assert backup.calls.item() == 3",
    ),
    "two_releases": (
        "assert slower.index[0] == 'flock' and slower.p99_us_2.iloc[0] > 100 * slower.p99_us_1.iloc[0]",
        "assert newly_failing[['path', 'calls']].values.tolist() == [['/tmp/shop/features.json', 1600]]",
        "assert new_programs.values.tolist() == [['/usr/bin/gzip', 16]]",
    ),
    "memory_leak": (
        "assert memory.comm.iloc[0] == 'catalog.py' and cpu.comm.iloc[0] == 'thumbnails.py'",
        "most = growth.loc[growth.growth_mib_per_min.idxmax()]",
        "assert most.comm == 'sessions.py' and 108 < most.growth_mib_per_min < 126 and most.r2 > 0.99",
    ),
    "lock_convoy": (
        "assert len(at_lock) == 7 and at_lock.object.nunique() == 1 and at_lock.thread.str.startswith('worker-').all()",
        "assert handed_over.held_s.idxmax().startswith('thread log-writer (')",
        "assert handed_over.held_s.max() > 0.95 * handed_over.held_s.sum()",
        "assert set(log_writer.function) >= {'checksum', 'write_log'}",
        "assert log_writer.function.iloc[0] == 'checksum' and log_writer.self_pct.iloc[0] > 95 and held_ms > 20",
    ),
    "slow_disk": (
        "assert to_server.peer.item().startswith('database.py (') and chain.endswith('in disk [journal.log]')",
        "assert written.sync_s.idxmax() == '/tmp/shop/volume/journal.log'",
        "assert written.written_bytes.idxmax() == '/tmp/shop/orders.table'",
        "assert 2 <= per_sync < 2.1 and disks.disk.iloc[0] == 'loop0' == commits.index[0]",
        "assert commits.service_mean_us.iloc[0] > 30_000 > 100 * commits.service_mean_us.iloc[1]",
        "assert commits.queue_mean_us.max() < 1000 and 'slow_device' in set(findings.rule)",
    ),
}
"""Notebook → what holds at its end, by its variables."""


def test_each_has_an_answer() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(ANSWERS)


@pytest.mark.parametrize("name", ANSWERS)
def test_notebook(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    for variable in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setenv("TZ", "America/St_Johns")  # nothing shown may depend on the reader's time zone
    path = NOTEBOOKS / f"{name}.ipynb"
    stored = nbformat.read(path, as_version=4)
    ran = run(stored, ANSWERS[name])
    assert not [said for cell in texts(ran) for said in cell if said.startswith("stderr: ")]
    if request.config.getoption("--update-golden"):
        nbformat.write(ran, path)
        stored = ran
    assert texts(ran) == texts(stored)


def run(notebook: NotebookNode, answer: tuple[str, ...]) -> NotebookNode:
    """The notebook with its current outputs. Raises CellExecutionError if it fails or finds another answer."""
    asked = nbformat.from_dict({**notebook, "cells": [*notebook.cells, nbformat.v4.new_code_cell("\n".join(answer))]})
    where = {"metadata": {"path": str(NOTEBOOKS)}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from the client's own libraries
        NotebookClient(asked, timeout=120, kernel_name="python3", record_timing=False, resources=where).execute()
    return nbformat.from_dict({**notebook, "cells": asked.cells[:-1]})


def texts(notebook: NotebookNode) -> list[list[str]]:
    """The texts of each cell, and where it shows a picture."""
    return [[text(output) for output in cell.get("outputs", [])] for cell in notebook.cells]


def text(output: NotebookNode) -> str:
    if output.output_type == "stream":
        return f"{output.name}: {output.text}"
    return "picture" if "image/png" in output.data else str(output.data["text/plain"])
