"""Charts as elements of a page.

matplotlib writes the looks into style attributes, which the page's policy forbids. Here they become equivalent SVG
attributes. Elements and attributes that charts do not need, and references to anything but the chart itself, are
errors: no text of a trace can pass as anything but text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree

from markupsafe import Markup, escape

ELEMENTS = frozenset(
    "svg g defs clipPath pattern linearGradient stop path rect circle ellipse line polyline polygon text tspan use "
    "image title".split()
)

LOOKS = frozenset(
    "clip-path clip-rule color display dominant-baseline fill fill-opacity fill-rule font-family font-size "
    "font-stretch font-style font-weight image-rendering letter-spacing opacity paint-order stop-color stop-opacity "
    "stroke stroke-dasharray stroke-dashoffset stroke-linecap stroke-linejoin stroke-miterlimit stroke-opacity "
    "stroke-width text-anchor text-rendering visibility word-spacing".split()
)
"""CSS properties that are also SVG attributes; Scalable Vector Graphics 2, "Presentation attributes"."""

ATTRIBUTES = LOOKS | frozenset(
    "aria-label class cx cy d gradientTransform gradientUnits height href id offset patternContentUnits "
    "patternTransform patternUnits points preserveAspectRatio r role rx ry transform version viewBox width x x1 x2 y "
    "y1 y2".split()
)

IGNORED = frozenset(("mix-blend-mode", "-inkscape-font-specification"))
"""Properties without an attribute."""

FONT = re.compile(
    r"(?:(?P<style>italic|oblique) )?(?:(?P<weight>bold|\d{3}) )?(?P<size>[\d.]+(?:px|pt)) (?P<family>.+)"
)

INSIDE = re.compile(r"#[\w-]+|data:image/png;base64,[A-Za-z0-9+/=\s]*", re.ASCII)

URL = re.compile(r"url\(\s*(?P<to>[^)]*)\)", re.IGNORECASE)


class Unfit(ValueError):
    """The text is not a chart that may be put into a page."""


def inline(text: str) -> Markup:
    """A chart's <svg> as markup for a page. Raises Unfit."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise Unfit(str(error)) from None
    if _local(root.tag) != "svg":
        raise Unfit(f"a {_local(root.tag)} instead of an svg")
    # matplotlib puts this into a style element, for everything that follows.
    root.attrib = {"stroke-linejoin": "round", "stroke-linecap": "butt", **root.attrib}
    for name in ("width", "height", "style"):
        root.attrib.pop(name, None)
    return Markup("".join(_written(root)))


def _written(element: ElementTree.Element) -> Iterator[str]:
    name = _local(element.tag)
    if name in ("style", "metadata"):
        return
    if name not in ELEMENTS:
        raise Unfit(f"an element {name}")
    attributes = "".join(f' {key}="{escape(value)}"' for key, value in _attributes(element).items())
    yield f"<{name}{attributes}>"
    yield str(escape((element.text or "") if name in ("text", "tspan", "title") else (element.text or "").strip()))
    for child in element:
        yield from _written(child)
        yield str(escape((child.tail or "").strip()))
    yield f"</{name}>"


def _attributes(element: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for full, value in element.attrib.items():
        name = _local(full)
        if name == "style":
            found.update(_looks(value))
        elif name in ATTRIBUTES:
            found[name] = value
        elif name != "space":
            raise Unfit(f"an attribute {name}")
    for name, value in found.items():
        targets = [match["to"].strip("'\" ") for match in URL.finditer(value)] + ([value] if name == "href" else [])
        if not all(INSIDE.fullmatch(target) for target in targets):
            raise Unfit(f"a reference to {targets}")
    return found


def _looks(style: str) -> Iterator[tuple[str, str]]:
    """The declarations of a style attribute, as attributes."""
    for declaration in filter(None, map(str.strip, style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font" and (match := FONT.fullmatch(value)):
            yield from ((f"font-{key}", part) for key, part in match.groupdict().items() if part)
        elif name in LOOKS:
            yield name, value
        elif name not in IGNORED:
            raise Unfit(f"a style {name}")


def _local(name: str) -> str:
    return name.rpartition("}")[2]
