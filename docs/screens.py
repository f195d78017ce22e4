"""Pictures of the screen for `script/screenshots`, of sample traces.

`draw FOLDER` makes SVG files of all pictures and of the frames of a film, `film FOLDER FILE` one GIF of the frames that
were made PNG files.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageColor
from textual.pilot import Pilot

from sysmon.analyze.tui.app import Viewer
from sysmon.analyze.tui.glyphs import ASCII, UNICODE, Glyphs
from tests.screens import SAMPLES, drive, settled

FONT = re.compile(r"@font-face \{.*?\}", re.DOTALL)
"""Of the web. What is installed has the blocks of bars, too."""

BLACK, BACKGROUND = "#000000", "#292929"

FIRST_MS, FRAME_MS, LAST_MS = 2000, 1600, 4000
FILM_WIDTH, FILM_COLOURS = 1000, 64


@dataclass(frozen=True)
class Picture:
    """A sample trace after some keys; `at`: where it begins."""

    name: str
    sample: str
    keys: tuple[str, ...] = ()
    at: str | None = None
    size: tuple[int, int] = (120, 36)
    glyphs: Glyphs = UNICODE


PICTURES = (
    Picture("screen", "slow_disk", ("n",)),
    Picture("screen-process", "slow_disk", ("n", "2", "enter")),
    Picture("screen-events", "build", ("x", "e")),
    Picture("screen-pivot", "slow_disk", ("n", "p")),
    Picture("screen-heat", "convoy", ("n", "h")),
    Picture("screen-small", "slow_disk", ("n",), size=(40, 12)),
    Picture("screen-large", "database", ("n",), size=(250, 80)),
    Picture("screen-ascii", "slow_disk", ("n",), glyphs=ASCII),
)

FILM = (
    *(("2",), ("down", "down"), ("enter",), ("escape",), ("F",), ("F",)),
    *(("x",), ("e",), ("slash", *"exit"), ("enter",), ("c",)),
)
"""Keys of the film, a frame after each group: a build, its processes, one of them, what failed, and why."""


def svg(viewer: Viewer) -> str:
    """What is on the screen. What is of the terminal's own background is black in it."""
    return FONT.sub("", viewer.export_screenshot(title="sysmon replay")).replace(
        f'fill="{BLACK}"', f'fill="{BACKGROUND}"'
    )


def draw(picture: Picture, folder: Path) -> None:
    """Makes a picture."""

    async def press(viewer: Viewer, pilot: Pilot[None]) -> None:
        await settled(viewer, pilot, ticks=True)
        for key in picture.keys:
            await pilot.press(key)
            await settled(viewer, pilot)
        await settled(viewer, pilot, ticks=True)
        (folder / f"{picture.name}.svg").write_text(svg(viewer))

    drive(SAMPLES / f"{picture.sample}.parquet", press, size=picture.size, glyphs=picture.glyphs, at=picture.at)


def draw_film(folder: Path) -> None:
    """Makes the frames of the film."""

    async def press(viewer: Viewer, pilot: Pilot[None]) -> None:
        await settled(viewer, pilot, ticks=True)
        (folder / "frame-00.svg").write_text(svg(viewer))
        for number, keys in enumerate(FILM, 1):
            await pilot.press(*keys)
            await settled(viewer, pilot)
            (folder / f"frame-{number:02}.svg").write_text(svg(viewer))

    drive(SAMPLES / "build.parquet", press, size=(100, 30))


def film(folder: Path, into: Path) -> None:
    """Joins its frames."""
    images = [Image.open(path).convert("RGB") for path in sorted(folder.glob("frame-*.png"))]
    height = round(images[0].height * FILM_WIDTH / images[0].width)
    small = [image.resize((FILM_WIDTH, height)) for image in images]
    colours = palette(small)
    frames = [image.quantize(palette=colours, dither=Image.Dither.NONE) for image in small]
    shown_ms = [FIRST_MS, *[FRAME_MS] * (len(frames) - 2), LAST_MS]
    frames[0].save(into, save_all=True, append_images=frames[1:], duration=shown_ms, loop=0, optimize=True)


def palette(images: list[Image.Image]) -> Image.Image:
    """Of all, with colours that few pixels have and the background itself: in each frame another, it flickers."""
    width, height = images[0].size
    sheet = Image.new("RGB", (width, height * len(images)))
    for number, image in enumerate(images):
        sheet.paste(image, (0, number * height))
    usual = sheet.quantize(FILM_COLOURS - 1, Image.Quantize.MAXCOVERAGE).getpalette() or []
    found = Image.new("P", (1, 1))
    found.putpalette([*ImageColor.getrgb(BACKGROUND), *usual[: 3 * (FILM_COLOURS - 1)]])
    return found


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["draw", folder]:
            for one in PICTURES:
                draw(one, Path(folder))
            draw_film(Path(folder))
        case ["film", folder, into]:
            film(Path(folder), Path(into))
        case _:
            sys.exit("docs.screens: draw FOLDER, or film FOLDER FILE")
