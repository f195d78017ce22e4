"""What sample_traces/README.md says about the sample traces is in them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sysmon.analyze.trace.trace import Trace

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parents[1] / "sample_traces"

MOST_BYTES = 2_000_000

LIVES = "SELECT * FROM report.processes"
SHOPS = f"{LIVES} WHERE comm IN ('import.py', 'orders.py')"
COMPILERS = f"{LIVES} WHERE comm = 'cc1'"
DRIVERS = f"{LIVES} WHERE comm = 'gcc' AND command LIKE '% -c %'"
UNICODE = "command LIKE '% unicode.c%'"
HEADERS = "^/tmp/shop/include/lib[0-9]+/(config|error|list|log|memory|text)[.]h$"
PAGES = "SELECT * FROM report.files WHERE path LIKE '/tmp/shop/pages/%'"
HANDED_OVER = "SELECT * FROM report.wakers_by_thread WHERE comm = 'server' AND waited_for = 'lock'"
WORKERS = "SELECT * FROM report.wall_time_by_thread WHERE thread LIKE 'worker-%'"
JOURNAL, TABLE = (
    f"(SELECT * FROM report.file_io WHERE comm = 'database.py' AND file = '/tmp/shop/{file}')"
    for file in ("volume/journal.log", "orders.table")
)
COMMITS = "(SELECT * FROM report.disk_io WHERE comm = 'database.py' AND operation = 'write')"
SLOW_ANSWERS = """
SELECT o.full_path
FROM syscall_events AS e
JOIN opens AS o ON o.pid = e.pid AND o.start = e.start AND o.tid = e.tid
WHERE o.comm = 'shop.py' AND e.syscall = 'recvfrom' AND e.latency_ns > 75e6
"""


def call(comm: str, syscall: str) -> str:
    """The row of one call of the only process with this name."""
    calls = f"SELECT * FROM report.syscalls_by_process JOIN ({LIVES}) USING (pid, start, comm)"
    return f"({calls} WHERE comm = '{comm}' AND syscall = '{syscall}')"


FACTS: tuple[tuple[str, str, object], ...] = (
    ("build", "SELECT count(*) FROM execs WHERE comm = 'cc1'", 41),
    ("build", f"SELECT SUM(cpu_s) FILTER ({UNICODE}) > SUM(cpu_s) FILTER (NOT {UNICODE}) FROM ({COMPILERS})", True),
    ("build", f"SELECT MIN(started) FILTER ({UNICODE}) = MAX(started) FROM ({DRIVERS})", True),
    ("build", f"SELECT MAX(lifetime_s) FILTER ({UNICODE}) > 0.5 * MAX(lifetime_s) FROM ({LIVES})", True),
    ("build", "SELECT AVG(COALESCE(error = 'ENOENT', FALSE)::INT) > 0.9 FROM opens WHERE comm = 'cc1'", True),
    ("build", f"SELECT SUM(calls) FROM report.file_errors WHERE regexp_matches(path, '{HEADERS}')", 40 * 6 * 23),
    ("build", "SELECT list(exit_code ORDER BY comm) FROM exits WHERE comm IN ('sh', 'make') AND exit_code > 0", [2, 1]),
    ("web", f"SELECT opens FROM ({PAGES}) WHERE path LIKE '%/home.html'", 800),
    ("web", f"SELECT opens FROM ({PAGES}) WHERE path LIKE '%/product.html'", 600),
    ("web", f"SELECT opens FROM ({PAGES}) WHERE path LIKE '%/cart.html'", 400),
    ("web", f"SELECT opens FROM ({PAGES}) WHERE path LIKE '%/checkout.html'", 200),
    ("web", "SELECT count(*) FROM report.connections WHERE comm = 'shop.py' AND remote_port = 9090", 200),
    ("web", f"SELECT p50_us < 1000 AND p99_us > 75000 FROM {call('shop.py', 'recvfrom')}", True),
    ("web", f"SELECT count(*) FROM ({SLOW_ANSWERS}) WHERE full_path LIKE '%/checkout.html'", 200),
    ("web", f"SELECT calls FROM {call('payments.py', 'clock_nanosleep')}", 200),
    ("web", f"SELECT mean_us > 80000 FROM {call('payments.py', 'clock_nanosleep')}", True),
    ("database", f"SELECT calls FROM {call('orders.py', 'fdatasync')}", 4_004),
    ("database", f"SELECT calls FROM {call('import.py', 'fdatasync')}", 8),
    ("database", f"SELECT max_us > 20000 FROM {call('orders.py', 'fdatasync')}", True),
    ("database", f"SELECT total_s > 0.5 * lifetime_s FROM {call('orders.py', 'fdatasync')}", True),
    ("database", f"SELECT MIN(lifetime_s) < 0.05 * MAX(lifetime_s) FROM ({SHOPS})", True),
    ("leak", "SELECT comm FROM report.memory ORDER BY peak_rss_mib DESC LIMIT 1", "catalog.py"),
    ("leak", "SELECT list(comm) FROM report.memory WHERE growth_mib > 1", ["sessions.py"]),
    ("leak", "SELECT growth_mib BETWEEN 34 AND 42 FROM report.memory WHERE comm = 'sessions.py'", True),
    ("leak", "SELECT comm FROM report.cpu ORDER BY cpu_s DESC LIMIT 1", "thumbnails.py"),
    ("leak", "SELECT cpu_s + wait_s BETWEEN 17.5 AND 18.5 FROM report.cpu WHERE comm = 'thumbnails.py'", True),
    ("cron", "SELECT count(*) FROM processes", 590),
    ("cron", "SELECT count(*) FROM execs", 594),
    ("cron", "SELECT count(*) FROM exits WHERE comm = 'expr' AND exit_code = 0", 400),
    ("cron", "SELECT count(*) FROM exits WHERE comm IN ('backup.sh', 'cp') AND exit_code = 1", 40),
    ("cron", "SELECT count(*) FROM exits WHERE comm = 'mailer.py' AND exit_code = 78", 50),
    ("cron", "SELECT count(*) FROM exits WHERE signal = 9", 8),
    ("cron", "SELECT count(*) FROM exits WHERE exit_code <> 0 OR signal IS NOT NULL", 98),
    ("cron", "SELECT calls FROM report.file_errors WHERE path = '/tmp/shop/mailer.conf'", 50),
    ("release-1", "SELECT calls FROM report.syscalls WHERE syscall = 'flock'", 1600),
    ("release-2", "SELECT calls FROM report.syscalls WHERE syscall = 'flock'", 1600),
    ("release-1", "SELECT p99_us < 5000 FROM report.syscalls WHERE syscall = 'flock'", True),
    ("release-2", "SELECT p50_us < 100 AND p99_us > 20000 FROM report.syscalls WHERE syscall = 'flock'", True),
    ("release-1", "SELECT list(DISTINCT comm) FROM execs", ["orders.py"]),
    ("release-2", "SELECT count(*) FROM execs WHERE comm = 'gzip'", 16),
    ("release-1", "SELECT count(*) FROM opens WHERE full_path = '/tmp/shop/features.json'", 0),
    ("release-2", "SELECT calls FROM report.file_errors WHERE path = '/tmp/shop/features.json'", 1600),
    ("convoy", "SELECT rule, summary LIKE '%7 threads that wait for one lock, %; thread log-writer (%) held it 9_ %' "
        "FROM report.findings LIMIT 1", ("lock_convoy", True)),
    ("convoy", f"SELECT calls FROM {call('server', 'sendto')}", 1400),
    ("convoy", f"SELECT count(*), MIN(lock_s / wall_s) > 0.5 FROM ({WORKERS})", (7, True)),
    ("convoy", "SELECT count(DISTINCT object) FROM report.wait_objects_by_thread "
        "WHERE thread LIKE 'worker-%' AND waited_for = 'lock'", 1),
    ("convoy", "SELECT SUM(held_s) FILTER (waker LIKE 'thread log-writer (%)') > 0.95 * SUM(held_s) "
        f"FROM ({HANDED_OVER})", True),
    ("convoy", "SELECT SUM(waits) FILTER (waker LIKE 'thread log-writer (%)') < 0.5 * SUM(waits) "
        f"FROM ({HANDED_OVER})", True),
    ("convoy", "SELECT list(function ORDER BY function) FROM report.hot_functions_by_thread "
        "WHERE thread = 'log-writer' AND total_pct > 95 AND module = '/tmp/shop/server'",
        ["checksum", "log_writer", "write_log"]),
    ("convoy", "SELECT cpu_s > 0.9 * SUM(cpu_s) OVER () FROM report.cpu_by_thread WHERE comm = 'server' "
        "ORDER BY cpu_s DESC LIMIT 1", True),
    ("convoy", "SELECT DISTINCT regexp_replace(chain, '[(][0-9]+[)]|0x[0-9a-f]+|[0-9]+ %', '#', 'g') "
        "FROM report.wait_chains WHERE comm = 'visitors.py' AND hops = 2",
        "for server # in network [127.0.0.1:7070], which waits for thread log-writer # in lock [futex #], "
        "which spends # running"),
    ("slow_disk", "SELECT list(rule ORDER BY rule) FROM report.findings WHERE pid IS NOT NULL OR rule = 'slow_device'",
        ["slow_device", "sync_stall", "waits_for_server"]),
    ("slow_disk", "SELECT regexp_replace(chain, '[(][0-9]+[)]|[0-9]+ %', '#', 'g') FROM report.wait_chains "
        "WHERE comm = 'till.py'",
        "for database.py # in network [127.0.0.1:7071], which spends # in disk [journal.log]"),
    ("slow_disk", "SELECT state, object, share_pct > 80 FROM report.critical_path WHERE comm = 'till.py' LIMIT 1",
        ("disk", "journal.log", True)),
    ("slow_disk", f"SELECT calls, p50_us < 1000, p99_us > 55000 FROM {call('till.py', 'recvfrom')}", (600, True, True)),
    ("slow_disk", f"SELECT writes, written_bytes, syncs, sync_s > 0.99 * total_s FROM {JOURNAL}",
        (100, 3200, 100, True)),
    ("slow_disk", f"SELECT writes, written_bytes, syncs, sync_s < 0.1 FROM {TABLE}", (100, 512 * 3200, 5, True)),
    ("slow_disk", f"SELECT requests BETWEEN 200 AND 205, service_mean_us > 30000, queue_mean_us < 1000 FROM {COMMITS} "
        "WHERE disk LIKE 'loop%'", (True, True, True)),
    ("slow_disk", f"SELECT service_p99_us < 10000 FROM {COMMITS} WHERE disk NOT LIKE 'loop%'", True),
    ("slow_disk", "SELECT backing_file, measured_pct > 99 FROM report.disks WHERE disk LIKE 'loop%'",
        ("/tmp/shop/slow/disk", True)),
)  # fmt: skip


AGREE = (
    """SELECT (SELECT SUM(calls) FROM report.syscalls), (SELECT SUM(calls) FROM report.syscalls_by_process),
    (SELECT SUM(syscalls) FROM report.processes)""",
    """SELECT (SELECT SUM(calls) FROM report.syscall_histogram), (SELECT SUM(calls) FROM report.latency_timeline),
    (SELECT SUM(calls) FROM report.syscall_histogram_by_process),
    (SELECT SUM(calls - no_return) FROM report.syscalls)""",
    "SELECT (SELECT SUM(errors) FROM report.syscalls), (SELECT SUM(calls) FROM report.syscall_errors)",
    """SELECT (SELECT SUM(errors) FROM report.files),
    (SELECT SUM(calls) FROM report.file_errors WHERE syscall = 'openat'),
    (SELECT SUM(errors) FROM report.syscalls WHERE syscall = 'openat')""",
    """SELECT (SELECT SUM(opens) FROM report.files),
    (SELECT SUM(calls) FROM report.syscalls WHERE syscall = 'openat')""",
    """SELECT (SELECT SUM(cpu_s) FROM report.cpu), (SELECT SUM(cpu_s) FROM report.cpu_timeline),
    (SELECT SUM(cpu_s) FROM report.processes), (SELECT SUM(cpu_s) FROM report.cgroups)""",
    """SELECT (SELECT SUM(wait_s) FROM report.cpu), (SELECT SUM(wait_s) FROM report.cpu_timeline),
    (SELECT SUM(wait_s) FROM report.runqueue), (SELECT SUM(wait_s) FROM report.cgroups)""",
    """SELECT (SELECT SUM(read_bytes) FROM report.io), (SELECT SUM(read_bytes) FROM report.io_timeline)""",
    """SELECT (SELECT SUM(written_bytes) FROM report.io), (SELECT SUM(written_bytes) FROM report.io_timeline)""",
    """SELECT (SELECT count(*) FROM report.processes), (SELECT count(*) FROM report.process_tree),
    (SELECT count(*) FROM exits), (SELECT count(*) FROM report.lives WHERE ended_by <> 'exec')""",
    """SELECT (SELECT count(*) FROM report.failures),
    (SELECT count(*) FROM exits WHERE exit_code <> 0 OR signal IS NOT NULL)""",
)
"""Figures that must be the same wherever they appear."""


@pytest.mark.parametrize(("sample", "query", "answer"), FACTS)
def test_fact(sample: str, query: str, answer: object, sample_trace: Callable[[str], Trace]) -> None:
    row = answer if isinstance(answer, tuple) else (answer,)
    assert sample_trace(sample).sql(query).fetchall() == [row]


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.parquet")), ids=lambda path: path.stem)
class TestFile:
    """What holds for each of the files."""

    def test_small(self, path: Path) -> None:
        assert path.stat().st_size <= MOST_BYTES

    def test_lost_nothing(self, path: Path, sample_trace: Callable[[str], Trace]) -> None:
        assert sample_trace(path.stem).report("losses").fetchall() == []

    def test_documented(self, path: Path) -> None:
        assert f"`{path.name}`" in (SAMPLES / "README.md").read_text(encoding="utf-8")

    def test_reports_agree(self, path: Path, sample_trace: Callable[[str], Trace]) -> None:
        for query in AGREE:
            first, *others = sample_trace(path.stem).sql(query).fetchall()[0]
            assert others == pytest.approx([first] * len(others)), query

    def test_of_itself_only(self, path: Path, sample_trace: Callable[[str], Trace]) -> None:
        """Neither what else ran on the machine nor where the recorder is installed."""
        trace = sample_trace(path.stem)
        assert trace.sql("SELECT count(*) FROM process_states").fetchall() == [(0,)]
        known = "^/(tmp|usr|lib|lib64|etc|dev|proc|bin|sys|var/run/nscd)(/|$)"
        strays = trace.sql(f"SELECT DISTINCT full_path FROM opens WHERE NOT regexp_matches(full_path, '{known}')")
        assert strays.fetchall() == []
        assert trace.metadata["command_line"][:2] == ["sysmon", "record"]
