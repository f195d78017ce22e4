"""How SYSMON_LIVE treats the tests marked `live`, which record on this machine's kernel.

Unset: they are skipped where recording is not possible, with the reason. "1": this is a failure, and so is any other
skip of theirs. "0": they are left out.
"""

import fcntl
import gc
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

import sysmon
from sysmon.analyze.trace.trace import Trace

SAMPLES = Path(__file__).parents[1] / "sample_traces"

LIVE = os.environ.get("SYSMON_LIVE", "")
MUST_RUN, LEFT_OUT = LIVE == "1", LIVE == "0"

ENVIRONMENT = "test_environment.py"

settings.register_profile("sysmon", deadline=None)  # an example's duration depends on what else the machine does
settings.load_profile("sysmon")

# A forked child must not free what it has of the tests before: a database's destructor waits for threads that the child
# does not have, and crashes. A child that forks goes on without.
TESTS = os.getpid()
os.register_at_fork(before=gc.disable, after_in_parent=lambda: gc.enable() if os.getpid() == TESTS else None)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/*.txt with what is written now")


@pytest.hookimpl(tryfirst=True)  # before hypothesis reads its seed
def pytest_configure(config: pytest.Config) -> None:
    if config.option.hypothesis_seed is None:  # a pytest-xdist worker has the others' seed
        config.option.hypothesis_seed = random.randrange(2**32)
    if LIVE not in ("", "0", "1"):
        raise pytest.UsageError(f"SYSMON_LIVE is {LIVE!r}; it may be 1, 0 or unset")
    for number in (signal.SIGINT, signal.SIGHUP):
        # A shell ignores one of them for background jobs, nohup the other, and what the tests start would inherit that.
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if terminalreporter.stats.get("failed"):
        terminalreporter.write_line(f"The same random cases again: --hypothesis-seed={config.option.hypothesis_seed}")


def is_live(item: pytest.Item) -> bool:
    return item.get_closest_marker("live") is not None


def is_in_live(item: pytest.Item) -> bool:
    return Path(__file__).with_name("live") in item.path.parents


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Puts live tests last, beginning with the one that proves the environment; with pytest-xdist first.

    Its workers begin with a part of the list each: so one waits for recordings while others compute, all along.
    """
    spread = "PYTEST_XDIST_WORKER" in os.environ
    items.sort(key=lambda item: (is_live(item) != spread, item.path.name != ENVIRONMENT))
    if misplaced := [item.nodeid for item in items if item.get_closest_marker("alone") and not is_in_live(item)]:
        raise pytest.UsageError(f"script/test looks for tests marked `alone` only in tests/live: {misplaced}")
    if LEFT_OUT and (live := [item for item in items if is_live(item)]):
        config.hook.pytest_deselected(items=live)
        items[:] = [item for item in items if not is_live(item)]


@pytest.fixture(scope="session")
def live_kernel(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Proves that this machine and this user can record: once, for all pytest-xdist workers."""
    place = tmp_path_factory.getbasetemp()
    with open((place.parent if "PYTEST_XDIST_WORKER" in os.environ else place) / "doctor", "a+") as told:
        fcntl.flock(told, fcntl.LOCK_EX)
        told.seek(0)
        if not (said := told.read()):
            doctor = subprocess.run(
                [Path(sys.executable).with_name("sysmon"), "doctor"],
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
            )  # fmt: skip
            said = f"{doctor.returncode}\n{doctor.stdout}"
            told.write(said)
    status, _, text = said.partition("\n")
    if status != "0":
        (pytest.fail if MUST_RUN else pytest.skip)(f"recording is not possible here:\n{text}")


@pytest.fixture(scope="session")
def sample_trace() -> Generator[Callable[[str], Trace]]:
    """Opens a sample trace by its name, once for all tests."""
    with ExitStack() as stack:
        yield cache(lambda name: stack.enter_context(sysmon.open(SAMPLES / f"{name}.parquet")))


@pytest.fixture(autouse=True)
def _live(request: pytest.FixtureRequest) -> None:
    if is_live(request.node):
        request.getfixturevalue("live_kernel")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if MUST_RUN and is_live(item) and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although SYSMON_LIVE is 1: {report.longreprtext}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A module that skips itself has no markers to check yet, so with SYSMON_LIVE=1 none may."""
    report = yield
    if MUST_RUN and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped although SYSMON_LIVE is 1: {report.longrepr}"
    return report
