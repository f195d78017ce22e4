"""A chart in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Picture:
    """A chart that a notebook displays by itself.

    As a PNG: a plain Figure is shown only where pyplot is set up for it, and a notebook puts an SVG into an <img>,
    where it cannot take on the page's colours and is invisible on a dark one. A PNG looks the same in Jupyter, on
    GitHub and in nbconvert's output. `figure` is there for changes, `svg()` for HTML.
    """

    figure: Figure

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        from sysmon.analyze import charts

        width, height = self.figure.get_size_inches()
        return charts.rendered(self.figure, "png"), {"width": round(width * 100), "height": round(height * 100)}

    def svg(self) -> str:
        """The chart as an <svg> for an HTML page."""
        from sysmon.analyze import charts

        return charts.svg(self.figure)
