"""Charts as files, and as parts of an HTML page."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING
from xml.sax.saxutils import quoteattr

from matplotlib.backends.backend_agg import FigureCanvasAgg

from sysmon.analyze.charts import style
from sysmon.bpf.trace_file import atomic
from sysmon.errors import BadRequest
from sysmon.safe_text import one_line

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
"""Resolution of a PNG, and of images in the other formats [dots per inch]."""

ENDINGS = ("png", "svg", "pdf")

NOTHING = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
"""Neither date nor program name: the same chart is the same file."""

VARIABLES = {style.INK: "currentColor", style.PAPER: "var(--sheet, Canvas)"}
"""Text and background colour in a page: the surrounding text's colour, and `--sheet` or the browser's default."""

INHERITED = "stroke-linejoin: round; stroke-linecap: butt"
"""matplotlib's <style> for all elements, which in HTML would apply to the whole page."""

HEAD = re.compile(r"^.*?(?=<svg )", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
ID = re.compile(r'\s?\bid="([^"]+)"')
REFERENCE = re.compile(r'(?:url\(#|href="#)([^")]+)')
STRAIGHT = re.compile(r"(?:[ML] \S+ \S+ ?|z ?)+")
POINT = re.compile(r"([MLz]) ?(?:([-\d.]+) ([-\d.]+))?")
PATH = re.compile(r' d="([^"]*)"')
NUMBER = re.compile(r"-?\d+\.\d{2,}")


def rendered(figure: Figure, ending: str) -> bytes:
    """The chart as the bytes of a file."""
    buffer = io.BytesIO()
    with style.applied():
        FigureCanvasAgg(figure)
        figure.savefig(buffer, format=ending, dpi=DPI, metadata=NOTHING[ending])
    return buffer.getvalue()


def inline_svg(figure: Figure) -> str:
    """An <svg> element for an HTML page: as wide as its container, with the page's colours and fonts.

    The background stays transparent. Ids differ from those of any other chart.
    """
    paper = figure.get_facecolor()
    figure.set_facecolor("none")
    try:
        text = rendered(figure, "svg").decode()
    finally:
        figure.set_facecolor(paper)
    text = HEAD.sub("", re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL))
    title = figure.texts[0].get_text() if figure.texts else ""
    look = f"width: 100%; max-width: {figure.get_figwidth():g}in; {INHERITED}"
    root = re.compile(r'^<svg (.*?)width="[^"]*" height="[^"]*" ?')
    text = root.sub(lambda m: f'<svg role="img" aria-label={quoteattr(title)} style="{look}" {m[1]}', text, count=1)
    used = set(REFERENCE.findall(" ".join(TAG.findall(text))))
    prefix = "c" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = TAG.sub(lambda m: _tag(m[0], prefix, used), text)
    return re.sub(r">\s+<", ">\n<", text).strip()


def _tag(tag: str, prefix: str, used: set[str]) -> str:
    """The tag, shortened, with the page's colours; only used ids, made unique among charts.

    Gets only tags: the text between them may be a process's name.
    """
    tag = ID.sub(lambda m: f' id="{prefix}{m[1]}"' if m[1] in used else "", tag)
    tag = REFERENCE.sub(lambda m: m[0].replace(f"#{m[1]}", f"#{prefix}{m[1]}"), tag)
    for colour, variable in VARIABLES.items():
        tag = tag.replace(colour, variable)
    tag = tag.replace(f"'{style.FONT}', sans-serif", "sans-serif")
    if tag.startswith("<image"):  # what looks like a number there is pixels
        return tag
    tag = re.sub(r"\s+", " ", NUMBER.sub(lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), tag))
    return PATH.sub(lambda m: f' d="{_path(m[1])}"', tag)


def _path(text: str) -> str:
    """The path with horizontal and vertical lines written as such, if all lines are straight: steps take half the
    bytes.
    """
    if not STRAIGHT.fullmatch(text):
        return text
    out, at = [], ("", "")
    for command, x, y in POINT.findall(text):
        if command == "z":
            out.append("z")
        elif command == "L" and x == at[0]:
            out.append(f"V{y}")
        elif command == "L" and y == at[1]:
            out.append(f"H{x}")
        else:
            out.append(f"{command}{x} {y}")
        at = (x, y)
    return "".join(out)


def ending_of(path: Path) -> str:
    """The format of the file's extension. Raises BadRequest."""
    ending = path.suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        shown = one_line(str(path))
        raise BadRequest(f"{shown}: a chart is written as .png, .svg or .pdf; end the name with one of these")
    return ending


def check(path: Path, *, force: bool, option: str = "-o") -> None:
    """Raises BadRequest or CannotWrite if the file cannot be written, before anything is drawn.

    `option` is that which named the file.
    """
    ending_of(path)
    atomic.check(path, force=force, option=option)


def write(figure: Figure, path: Path, *, force: bool = False, option: str = "-o") -> int:
    """Writes the chart to a file, whole or not at all. Returns its size [bytes]."""
    check(path, force=force, option=option)
    content = rendered(figure, ending_of(path))
    with atomic.new_file(path, force=force, option=option) as file:
        file.write(content)
    return len(content)
