"""A chart in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A chart that a notebook shows by itself.

    As a PNG: a plain Figure is shown only where pyplot was set up for it, and an SVG in a notebook is put into an
    <img>, where it cannot take the page's ink and is lost on a dark one. A PNG is the same in Jupyter, on GitHub and in
    what nbconvert makes. `figure` is there for changes, `svg()` for HTML.
    """

    figure: Figure

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        from sysmon.analyze import charts

        width, height = self.figure.get_size_inches()
        return charts.rendered(self.figure, "png"), {"width": round(width * 100), "height": round(height * 100)}

    def svg(self) -> str:
        """The chart as an <svg> to stand in a page of HTML."""
        from sysmon.analyze import charts

        return charts.svg(self.figure)
