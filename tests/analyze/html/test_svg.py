"""Charts in a page: the same picture without styles, and nothing else."""

import pytest

from sysmon.analyze.html.svg import Unfit, inline
from tests.page import Reader

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">{}</svg>'


def elements(inside: str) -> list[tuple[str, dict[str, str | None], list[str]]]:
    (_, outer, _), *rest = Reader(inline(SVG.format(inside))).elements
    assert outer["viewbox"] == "0 0 9 9"
    return rest


def test_styles_become_attributes() -> None:
    ((name, attributes, _),) = elements('<path d="M 0 0" style="fill: #ffffff; stroke-width: 0.8; fill: none"/>')
    assert (name, attributes) == ("path", {"d": "M 0 0", "fill": "none", "stroke-width": "0.8"})


def test_a_font_becomes_its_parts() -> None:
    ((_, attributes, text),) = elements("<text style=\"font: bold 7.5px 'DejaVu Sans', sans-serif\">a &lt;b&gt;</text>")
    assert attributes == {"font-weight": "bold", "font-size": "7.5px", "font-family": "'DejaVu Sans', sans-serif"}
    assert text == ["a <b>"]


def test_matplotlibs_style_element_is_kept() -> None:
    text = inline(SVG.format('<defs><style type="text/css">*{stroke-linejoin: round}</style></defs>'))
    assert "style" not in text
    assert 'stroke-linejoin="round"' in text


def test_the_page_sets_the_size() -> None:
    text = inline('<svg width="9pt" height="9pt" style="width: 100%" viewBox="0 0 9 9"></svg>')
    assert text == '<svg stroke-linejoin="round" stroke-linecap="butt" viewBox="0 0 9 9"></svg>'


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject/>",
        '<a href="#x"/>',
        '<path onclick="alert(1)"/>',
        '<image href="http://evil.example/x.png"/>',
        '<image xlink:href="//evil.example/x.png"/>',
        '<use href="other.svg#x"/>',
        '<image href="data:image/svg+xml;base64,AAAA"/>',
        '<path fill="url(http://evil.example/#x)"/>',
        '<path style="fill: URL( &quot;//evil.example&quot; )"/>',
        '<path style="background: red"/>',
        "<animate/>",
        "not <closed",
    ],
)
def test_anything_but_a_picture_is_refused(inside: str) -> None:
    with pytest.raises(Unfit):
        inline(SVG.format(inside))


def test_no_other_document_passes() -> None:
    with pytest.raises(Unfit, match="html instead"):
        inline("<html/>")


@pytest.mark.parametrize(
    "inside",
    [
        '<use xlink:href="#c12-p"/>',
        '<g clip-path="url(#c12-p)"/>',
        '<image href="data:image/png;base64,iVBORw0KGgo="/>',
        '<path fill="var(--chart-ink, currentColor)"/>',
    ],
)
def test_references_inside_pass(inside: str) -> None:
    assert len(elements(inside)) == 1
