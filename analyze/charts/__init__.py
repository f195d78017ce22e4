"""Charts of a trace, ready to go into a report.

`CHARTS` lists them. matplotlib is imported only when a chart is drawn, and no other package imports it. pyplot's state
is neither used nor changed.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sysmon.analyze.charts.ask import Ask, Chart
from sysmon.errors import BadRequest, BrokenTrace, NoData, did_you_mean
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sysmon.analyze.trace.trace import Trace

CALLS = ("syscall_stats", "threads", "followed", "on_sys_enter", "on_sys_exit")
SWITCHES = ("cpu", "threads", "followed", "on_sched_switch", "on_cpuhp")
SAMPLES = ("samples", "stacks", "stack", "followed", "on_sample")
LIVES = ("fork", "exec", "exit", "followed", "on_fork", "on_exec", "on_exit")
ALLOCATIONS = (
    "kernel_memory", "sizes of kernel memory", "followed", "on_kfree", "on_cache_free", "on_pages_free", "on_kmalloc",
    "on_kmalloc_node", "on_cache_alloc", "on_cache_alloc_node", "on_pages_alloc", "on_irq_enter", "on_irq_exit",
    "on_softirq_enter", "on_softirq_exit", "on_hrtimer_enter", "on_hrtimer_exit",
)  # fmt: skip
"""Places of losses (column `place` of the kind `loss`) that leave a gap in a chart."""


CHARTS: dict[str, Chart] = {
    chart.name: chart
    for chart in (
        Chart(
            "cpu",
            "CPU time by process",
            "CPU time per snapshot of the processes that used most, of all others, and of the rest of the machine. The "
            "line is the machine's capacity; the gap below it was idle. The lower panel shows how many threads on "
            "average were ready to run and waited for a CPU; a wait counts when it ends.",
            ("cpu",),
            SWITCHES,
        ),
        Chart(
            "wall_time",
            "Where the time of threads went",
            "How many threads ran, were ready to run without a CPU, or waited for a lock, a disk, the network and so "
            "on, on average per snapshot. The lower panel has a lane for each of the threads that ran or were held up "
            "most. Threads that rest, such as in poll(2) or nanosleep(2), or in one wait through all of the window, "
            "are left blank.",
            ("cpu", "thread"),
            SWITCHES,
        ),
        Chart(
            "flamegraph",
            "What ran on the CPUs",
            "Samples of running threads by stack: each box is a function, as wide as its share of all samples, on top "
            "of the function that called it. Stacks whose callers are unknown stand apart. Needs `record --with "
            "samples`.",
            ("samples",),
            SAMPLES,
        ),
        Chart(
            "off_cpu_flamegraph",
            "What threads were blocked in",
            "Time that threads waited, by the stack with which they did: each box is a function, as wide as its share "
            "of the time. On top is what they waited for. Needs `record --with off_cpu`.",
            ("off_cpu",),
            (*SWITCHES, "off_cpu", "stacks"),
        ),
        Chart(
            "memory",
            "Resident memory by process",
            "Resident memory per snapshot of the largest processes and of all others, with the rate at which each "
            "grows. The lower panel shows the machine's memory in use. A process is included from when it first ran in "
            "the recording to its end. Shared memory counts for each process that shares it.",
            ("memory",),
            ("followed",),
        ),
        Chart(
            "growth",
            "Growth of memory by process",
            "Change in the resident memory of each process since it was first seen in the recording, or since its last "
            "exec: the largest changes in colour, the others in grey. All start at 0, so a small process that grows "
            "stands out from a large one that does not.",
            ("memory",),
            ("followed",),
        ),
        Chart(
            "kernel_memory",
            "Kernel memory by process",
            "Objects that the kernel allocated while each process ran, per snapshot. The lower panel shows the size of "
            "all kernel objects. These are gross figures: what one process allocates, another may free. Needs `record "
            "--with kernel_memory`.",
            ("kernel_memory",),
            ALLOCATIONS,
        ),
        Chart(
            "io",
            "Bytes read and written by process",
            "Bytes read and written per snapshot by the busiest processes and all others, on files, pipes, sockets and "
            "everything else with a descriptor. Mapped memory and io_uring are not included.",
            ("syscall_stats",),
            CALLS,
        ),
        Chart(
            "latency",
            "Latency of system calls",
            "Number of calls by latency, with the median and the 99th percentile, for the calls with the largest total "
            "time; calls that mostly wait come last, as in the summary. Both axes are logarithmic. With --pid, each "
            "process is drawn separately.",
            ("syscall_stats",),
            CALLS,
            takes_syscall=True,
        ),
        Chart(
            "heatmap",
            "Latency of system calls over time",
            "Latency over time: one column per snapshot, four rows per doubling of latency, coloured by calls per "
            "second. The lines are the median and the 99th percentile.",
            ("syscall_stats",),
            CALLS,
            takes_syscall=True,
        ),
        Chart(
            "lifetimes",
            "Lives of processes",
            "Lifetimes of the processes that began or ended in the recording, below their parents, coloured by how they"
            " ended; an exec starts a new bar. If there are too many, processes with one name and one parent share a "
            "line.",
            ("fork",),
            LIVES,
        ),
        Chart(
            "errors",
            "Failed system calls",
            "Failed calls per second, by error and call, per snapshot.",
            ("syscall_stats",),
            (*CALLS, "syscall_errors"),
            takes_syscall=True,
        ),
    )
}
"""The charts, in listing order."""


def find_chart(name: str) -> Chart:
    """The chart with this name. Raises BadRequest, which suggests similar names."""
    if name in CHARTS:
        return CHARTS[name]
    hint = did_you_mean(name, CHARTS, f"there are {', '.join(CHARTS)}")
    raise BadRequest(f"there is no chart {one_line(name)!r}; {hint}")


def draw(trace: Trace, name: str, pids: Iterable[int] = (), syscall: str | None = None) -> Figure:
    """Draws a chart of the trace, of some of its processes, or of one system call.

    Raises BadRequest if there is no such chart, process or call, NoData if there is nothing to draw, and BrokenTrace if
    it has numbers that cannot be drawn.
    """
    chart = find_chart(name)
    if syscall is not None and not chart.takes_syscall:
        able = ", ".join(c.name for c in CHARTS.values() if c.takes_syscall)
        raise BadRequest(f"the chart {name} cannot show a single system call; --syscall is for {able}")
    missing = [kind for kind in chart.kinds if kind not in trace.metadata["kinds"]]
    if missing:
        from sysmon.analyze.trace.missing_kinds import again

        raise NoData(
            f"{one_line(trace.source.path.name)}: there is no {name} to draw: recorded without {', '.join(missing)}; "
            f"{again(missing)}"
        )
    only = tuple(pids)
    if only:
        with trace.part(only) as part:
            return _draw(part, chart, syscall)
    return _draw(trace, chart, syscall)


def draw_difference(before: Trace, after: Trace, comms: Iterable[str] = ()) -> Figure:
    """Draws a flame graph of the samples of `after`, coloured by how they differ from those of `before`.

    Of these commands, or of all. Raises NoData if a trace has no samples of them, and BrokenTrace if one has numbers
    that cannot be drawn.
    """
    from sysmon.analyze.charts import flame_difference, style

    with style.applied(), before.reading(), after.reading(), _of_numbers("flamegraph"):
        figure = flame_difference.draw(before, after, frozenset(comms))
    figure.set_label("flamegraph")
    return figure


def _draw(trace: Trace, chart: Chart, syscall: str | None) -> Figure:
    from sysmon.analyze.charts import (
        cpu,
        errors,
        flamegraph,
        growth,
        heatmap,
        io,
        kernel_memory,
        latency,
        lifetimes,
        memory,
        style,
        wall_time,
    )

    drawings = {
        "cpu": cpu.draw,
        "wall_time": wall_time.draw,
        "flamegraph": flamegraph.draw,
        "off_cpu_flamegraph": flamegraph.draw_off_cpu,
        "memory": memory.draw,
        "growth": growth.draw,
        "kernel_memory": kernel_memory.draw,
        "io": io.draw,
        "latency": latency.draw,
        "heatmap": heatmap.draw,
        "lifetimes": lifetimes.draw,
        "errors": errors.draw,
    }
    with style.applied(), trace.reading(), _of_numbers(chart.name):
        figure = drawings[chart.name](Ask(trace, chart, syscall))
    figure.set_label(chart.name)
    return figure


@contextmanager
def _of_numbers(name: str) -> Iterator[None]:
    """Raises BrokenTrace for what numpy and matplotlib say about impossible values, and silences their warnings.

    Every value of a trace is one that its column can hold, but 2^64 - 1 calls a second have no axis.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ArithmeticError, ValueError, IndexError) as error:
        said = one_line(str(error)) or type(error).__name__
        raise BrokenTrace(f"cannot draw the chart {name}: the trace has impossible values ({said})") from error


def svg(figure: Figure) -> str:
    """The chart as an <svg> for an HTML page. Its colours follow the page: see `output.inline_svg`.

    Raises BrokenTrace.
    """
    from sysmon.analyze.charts import output

    with _of_numbers(str(figure.get_label())):
        return output.inline_svg(figure)


def rendered(figure: Figure, ending: str) -> bytes:
    """The chart as the bytes of a file with this extension. Raises BrokenTrace."""
    from sysmon.analyze.charts import output

    with _of_numbers(str(figure.get_label())):
        return output.rendered(figure, ending)


def write(figure: Figure, path: Path, *, force: bool = False, option: str = "-o") -> int:
    """Writes the chart in the format of the file's extension. Returns the file's size [bytes].

    `option` is that which named the file.

    Raises BadRequest for any extension but .png, .svg or .pdf, BrokenTrace, and CannotWrite.
    """
    from sysmon.analyze.charts import output

    with _of_numbers(str(figure.get_label())):
        return output.write(figure, path, force=force, option=option)
