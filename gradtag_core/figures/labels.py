"""Names beside points, placed so that none covers a point, a line or another name at any width of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from unicodedata import east_asian_width

import numpy as np

Position = tuple[str, float, float]  # as plotly names it, and its direction to the right and upwards

FONT_SIZE = 12
CHARACTER, LINE = 0.56 * FONT_SIZE, 1.3 * FONT_SIZE  # pixels
OFFSET = 8.5  # between a point and its text, as plotly places it for markers of 12 pixels
MARKER, STROKE = 7.0, 1.5  # how far markers and lines reach around their centre
LONGEST_LINE = 16
FORBIDDEN = 1e6  # what it costs to lie outside, or on another name
# The lines on which names that must be shown may hang: how far they reach, in pixels, and the grid of their ends; what
# they cost, in lines covered at one size; where along them it is looked whether they cross a name.
FURTHEST, GRID = 162, 18
LEADER, LEADER_PIXEL = 6.0, 0.2
POINT = 20  # what it costs to cover a point, whose own name would then have no way out
CROSSINGS = np.linspace(0.15, 1, 16)[:, None, None]
POSITIONS: tuple[Position, ...] = (
    ("bottom left", -1, -1), ("middle right", 1, 0), ("middle left", -1, 0), ("top right", 1, 1),
    ("bottom right", 1, -1), ("top left", -1, 1), ("bottom center", 0, -1), ("top center", 0, 1),
)  # fmt: skip


def text_width(text: str) -> float:
    """About the width of a line of text in font sizes, rather too much than too little."""
    return sum(map(_letter_width, text))


def _letter_width(letter: str) -> float:
    if letter in "ijlrtf.,:;'|!I[](){}- ":
        return 0.36
    if letter in "mwMW@%&…—" or east_asian_width(letter) in "WF":
        return 1.0
    return 0.7 if letter.isupper() else 0.57


@dataclass(frozen=True)
class Place:
    """Where a text begins, in pixels to the right of its point and upwards; it grows away from the point."""

    position: str
    right: float
    up: float
    hangs: bool = False  # on a line

    @property
    def length(self) -> float:
        return float(np.hypot(self.right, self.up))

    def box(self, centres: np.ndarray, text: list[str]) -> np.ndarray:
        """(planes, 4) left, bottom, right and top of a text beside `centres` (planes, 2), in pixels."""
        width, height = CHARACTER * max(map(len, text)), LINE * len(text)
        left = centres[:, 0] + self.right + (np.sign(self.right) - 1) / 2 * width
        bottom = centres[:, 1] + self.up + (np.sign(self.up) - 1) / 2 * height
        return np.stack([left, bottom, left + width, bottom + height], axis=1)

    def leader(self, centres: np.ndarray) -> np.ndarray:
        """(places, planes, 4) small boxes along the line from `centres` to the text."""
        middle = centres + CROSSINGS * np.array([self.right, self.up])
        return np.concatenate([middle - STROKE, middle + STROKE], axis=-1)


def _on_leaders() -> list[Place]:
    """The nearest first."""
    steps = range(-FURTHEST, FURTHEST + 1, GRID)
    places = [Place("", right, up, True) for right in steps for up in steps if right or up]
    return sorted((place for place in places if place.length <= FURTHEST), key=lambda place: place.length)


BESIDE = [Place(position, right * OFFSET, up * OFFSET) for position, right, up in POSITIONS]
ON_LEADERS = _on_leaders()


@dataclass(frozen=True)
class Label:
    """A placed name: its text with line breaks, its plotly position, the least width that has room for it, and the
    pixels to the right and upwards of the line on which it hangs, if it does."""

    text: str
    position: str
    from_width: int
    leader: tuple[float, float] | None = None


def place_labels(
    points: np.ndarray,
    names: Sequence[str],
    required: Sequence[bool],
    lines: np.ndarray,
    sizes: Sequence[tuple[int, int]],
    steps: Sequence[int],
) -> list[Label | None]:
    """A label for each of the `points` (n, 2) that has room, `required` ones first: no name covers another one.

    `points` and `lines` (s, 4: from x, y to x, y) are in shares of the plotting area, whose possible `sizes` are
    (width, height) in pixels. Names that need more room are tried at each of `steps`, widths from which they are shown.
    A required name may cover a point or a line, or hang on a line of its own, before it waits for more room.
    """
    planes = np.array(sizes, dtype=float)
    marks = np.concatenate([np.hstack([points, points]), lines.reshape(-1, 4)])
    reach = np.repeat([MARKER, STROKE], [len(points), len(lines.reshape(-1, 4))])
    scale = np.hstack([planes, planes])
    marked = marks[:, None, :] * scale + reach[:, None, None] * np.array([-1, -1, 1, 1])
    placed: list[Label | None] = [None] * len(names)
    taken: list[np.ndarray] = []
    hung: list[np.ndarray] = []
    turns = [(0, index) for index in range(len(names)) if required[index]]
    turns += [(step, index) for step in steps for index in range(len(names))]
    for step, index in turns:
        if placed[index] is not None:
            continue
        must = step == 0 and required[index]
        text, centres, shown = _broken(names[index]), points[index] * planes, planes[:, 0] >= step
        in_view = marked[:, shown], len(points), _at(taken, shown), _at(hung, shown)
        cost, place = _best_place(centres[shown], planes[shown], text, BESIDE + ON_LEADERS * must, *in_view)
        if cost == 0 or (must and cost < FORBIDDEN):
            lines_of_text = "<br>".join(escape(line, quote=False) for line in text)
            placed[index] = Label(
                lines_of_text, place.position, step, (place.right, place.up) if place.hangs else None
            )
            taken.append(place.box(centres, text))
            hung += list(place.leader(centres)) if place.hangs else []
    return placed


def _best_place(
    centres: np.ndarray, planes: np.ndarray, text: list[str], places: Sequence[Place], marked: np.ndarray,
    n_points: int, taken: np.ndarray, hung: np.ndarray,
) -> tuple[float, Place]:  # fmt: skip
    """The place in whose way the least is, with what it costs; `places` from the nearest to the furthest."""
    best: tuple[float, Place] | None = None
    for place in places:
        price = (LEADER + LEADER_PIXEL * place.length) * place.hangs
        if best is not None and best[0] <= price:
            break  # the further ones cost more
        box = place.box(centres, text)
        cost = price + _conflicts(box, planes, marked, n_points, np.concatenate([taken, hung]))
        if place.hangs and cost < FORBIDDEN:
            cost += FORBIDDEN * sum(_overlaps(along, taken) for along in place.leader(centres))
        if best is None or cost < best[0]:
            best = cost, place
    assert best is not None
    return best


def _at(boxes: list[np.ndarray], shown: np.ndarray) -> np.ndarray:
    return np.array([box[shown] for box in boxes]).reshape(len(boxes), int(shown.sum()), 4)


def _broken(name: str) -> list[str]:
    """The name on two lines, broken at the space nearest its middle, where it is long."""
    spaces = [place for place, character in enumerate(name) if character == " "]
    if len(name) <= LONGEST_LINE or not spaces:
        return [name]
    middle = min(spaces, key=lambda place: abs(place - len(name) / 2))
    return [name[:middle], name[middle + 1 :]]


def _conflicts(
    box: np.ndarray, planes: np.ndarray, marked: np.ndarray, n_points: int, taken: np.ndarray
) -> float:  # fmt: skip
    """How badly a text lies, added up over the planes; 0 where nothing is in its way."""
    outside = (box[:, :2] < 0) | (box[:, 2:] > planes)
    covered = _overlaps(box, marked) + (POINT - 1) * _overlaps(box, marked[:n_points])
    return FORBIDDEN * (outside.sum() + _overlaps(box, taken)) + covered


def _overlaps(box: np.ndarray, others: np.ndarray) -> int:
    apart = (others[..., :2] >= box[:, 2:]) | (others[..., 2:] <= box[:, :2])
    return int((~apart.any(axis=-1)).sum())
