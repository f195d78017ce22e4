"""Texts that would do harm if taken for more than text, and a trace full of them."""

from pathlib import Path
from typing import Any

from sysmon.bpf.kind import Col
from sysmon.bpf.kinds import KINDS
from tests import traces

TEXTS = (
    "</td></table><script>alert(1)</script>",
    "\"'><img src=//evil.example onerror=alert(1)>",
    "</script></style></title></textarea>-->",
    "{{ 7 * 7 }}{% raw %}${7*7}",
    "\x1b[31mred\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2066\u200b\ufeff\U000e0041",
    "&lt;b&gt;&amp;&#60;b&#62;",
    "javascript:alert(1)",
    "]]><![CDATA[<svg onload=alert(1)>",
    "two\nlines\r\nand\ttabs\x00",
    "=cmd|'/c calc'!A1",
    "$x^2$ [link](http://evil.example) **b** | `c`",
    "[@click=app.quit]a[/][bold red]b[/] \x1b]52;c;ZXZpbA==\x07",
)


def trace(path: Path, texts: tuple[str, ...] = TEXTS) -> Path:
    """A trace with a row of every kind for each text, in all text columns and in the metadata."""
    rows = [
        traces.row(
            kind.name, traces.at(1 + i / 10), **{c.name: _value(c, text, i) for c in kind.cols if c.name != "ts"}
        )
        for i, text in enumerate(texts)
        for kind in KINDS
    ]
    host = {"name": texts[0], "kernel": texts[1], "arch": texts[2], "os": texts[3], "cpus": 2, "memory_bytes": None}
    return traces.write(
        path,
        rows,
        host=host,
        command=[*texts],
        command_status=1,
        command_line=["sysmon", *texts],
        comms=[*texts],
        cgroup=texts[0],
        stopped_by=texts[1],
        probes=[{"name": t, "tracepoint": t, "attached": False, "reason": t} for t in texts],
        unmeasured={text: text for text in texts},
        losses=[{"cause": t, "place": t, "lost": 7} for t in texts],
    )


def _value(col: Col, text: str, i: int) -> Any:
    if col.name == "edge":
        return ("start", "end")[i % 2]
    match col.type:
        case "argv":
            return [text, *TEXTS]
        case "binary":
            return text.encode()
        case "bool":
            return i % 2 == 0
        case "comm" | "choice" | "text" | "bytes" | "names" | "address":
            return text
        case "time":
            return traces.at(1)
        case "start":
            return traces.born(0.5)
    if col.name in ("pid", "ppid", "parent_pid"):
        return 100 + i
    return 7 + i
