"""Small drawings of the steps, in the colours of the figures."""

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import NamedTuple

from gradtag_core.figures.theme import PALETTES, Palette, Theme

WIDTH, HEIGHT = 160, 64


class Drawing(NamedTuple):
    """What is seen, in words and in SVG elements on a plane of WIDTH by HEIGHT."""

    alt: str
    content: Callable[[Palette], str]

    def svg(self, theme: Theme) -> str:
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}">{self.content(PALETTES[theme])}</svg>'
        )


def _dot(x: float, y: float, colour: str, radius: float = 5) -> str:
    return f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{colour}"/>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1.5) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}" stroke-width="{width:g}"/>'


def _box(x: float, y: float, width: float, height: float, fill: str = "none", border: str = "none") -> str:
    place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
    return f'<rect {place} rx="3" fill="{fill}" stroke="{border}" stroke-width="1.5"/>'


def _arrow(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
    x, y = (x2 - x1) / length, (y2 - y1) / length
    back, side = (x2 - 7 * x, y2 - 7 * y), (3 * y, -3 * x)
    corners = ((x2, y2), (back[0] - side[0], back[1] - side[1]), (back[0] + side[0], back[1] + side[1]))
    tip = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in corners) + "Z"
    return _line(x1, y1, x2 - 4 * x, y2 - 4 * y, colour, 2) + f'<path d="{tip}" fill="{colour}"/>'


def _tasks(palette: Palette) -> str:
    data = _box(4, 12, 44, 40, border=palette.muted)
    rows = "".join(_line(10, 20 + 8 * row, 42, 20 + 8 * row, palette.muted) for row in range(4))
    ends = [(120, 10 + 14.7 * task) for task in range(4)]
    links = "".join(_line(48, 32, x - 6, y, palette.muted) + _dot(x, y, palette.accent) for x, y in ends)
    return data + rows + links


def _model(palette: Palette) -> str:
    heads = [8 + 16 * head for head in range(4)]
    outputs = "".join(_line(92, 32, 126, y, palette.muted) + _dot(130, y, palette.accent) for y in heads)
    example = _box(8, 20, 8, 24, palette.muted) + _line(16, 32, 44, 32, palette.muted)
    return example + outputs + _box(44, 14, 48, 36, palette.accent)


def _gradients(palette: Palette) -> str:
    x, y = 26, 54
    ends = ((44, 6, palette.above), (62, 10, palette.above), (84, 22, palette.above), (92, 44, palette.below))
    arrows = "".join(_arrow(x, y, *end) for end in ends) + _dot(x, y, palette.accent)
    colours = [palette.below if row == 3 else palette.above for row in range(4)]
    numbers = "".join(_box(126, 8 + 13 * row, 26, 9, colour) for row, colour in enumerate(colours))
    return arrows + _arrow(100, 32, 119, 32, palette.muted) + numbers


def _subsets(palette: Palette) -> str:
    chosen = (((0, 1, 3), 0.8), ((1, 2, 4), 0.45), ((0, 3, 4), 0.65))
    drawn = ""
    for row, (members, share) in enumerate(chosen):
        y = 12 + 20 * row
        for task in range(5):
            drawn += _dot(14 + 15 * task, y, palette.accent if task in members else palette.grid)
        drawn += _box(98, y - 5, 54 * share, 10, palette.accent) + _box(
            98, y - 5, 54, 10, border=palette.muted
        )
    return drawn


def _affinity(palette: Palette) -> str:
    colours = {2: palette.above, 1: palette.diverging[6], 0: palette.grid, -1: palette.below}
    values = ((0, 2, -1, 0), (1, 0, 0, -1), (-1, 1, 0, 2), (0, -1, 2, 0))
    return "".join(
        _box(4 + 15 * column, 3 + 15 * row, 13, 13, colours[value])
        for row, line in enumerate(values)
        for column, value in enumerate(line)
    )


def _groups(palette: Palette) -> str:
    drawn = _box(14, 6, 58, 52, border=palette.muted) + _box(92, 6, 58, 52, border=palette.muted)
    for group in ([(34, 22), (54, 40), (30, 44)], [(112, 20), (132, 36), (110, 46)]):
        drawn += "".join(_line(*a, *b, palette.above, 2) for a, b in pairwise([*group, group[0]]))
        drawn += "".join(_dot(x, y, palette.accent, 6) for x, y in group)
    return drawn


DRAWINGS: Mapping[str, Drawing] = {
    "tasks": Drawing("One data set, from which lines lead to four tasks.", _tasks),
    "model": Drawing("One model that reads an example and has four outputs, one for each task.", _model),
    "gradients": Drawing("Arrows from one point, the gradients, become short lists of numbers.", _gradients),
    "subsets": Drawing("Three choices of three out of five tasks, each with a bar for its score.", _subsets),
    "affinity": Drawing("A square of four by four cells: orange for help, blue for harm.", _affinity),
    "groups": Drawing("Two frames, each around three tasks that are linked with each other.", _groups),
}
