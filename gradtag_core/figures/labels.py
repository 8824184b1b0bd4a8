"""Names beside points, placed so that none covers a point, a line or another name at any width of the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

Position = tuple[str, float, float]  # as plotly names it, and its direction to the right and upwards

FONT_SIZE = 12
CHARACTER, LINE = 0.56 * FONT_SIZE, 1.3 * FONT_SIZE  # pixels
OFFSET = 8.5  # between a point and its text, as plotly places it for markers of 12 pixels
MARKER, STROKE = 7.0, 1.5  # how far markers and lines reach around their centre
LONGEST_LINE = 16
OUTSIDE, NAMES, POINTS = 100, 10, 3  # what it costs a name that must be shown to lie there
POSITIONS: tuple[Position, ...] = (
    ("bottom left", -1, -1), ("middle right", 1, 0), ("middle left", -1, 0), ("top right", 1, 1),
    ("bottom right", 1, -1), ("top left", -1, 1), ("bottom center", 0, -1), ("top center", 0, 1),
)  # fmt: skip


@dataclass(frozen=True)
class Label:
    """A placed name: its text with line breaks, its plotly position, and the least width that has room for it."""

    text: str
    position: str
    from_width: int


def place_labels(
    points: np.ndarray,
    names: Sequence[str],
    required: Sequence[bool],
    lines: np.ndarray,
    sizes: Sequence[tuple[int, int]],
    steps: Sequence[int],
) -> list[Label | None]:
    """A label for each of the `points` (n, 2) that has room; `required` ones come first and always get one.

    `points` and `lines` (s, 4: from x, y to x, y) are in shares of the plotting area, whose possible `sizes` are
    (width, height) in pixels. Names that need more room are tried at each of `steps`, widths from which they are shown.
    """
    planes = np.array(sizes, dtype=float)
    marks = np.concatenate([np.hstack([points, points]), lines.reshape(-1, 4)])
    reach = np.repeat([MARKER, STROKE], [len(points), len(lines.reshape(-1, 4))])
    scale = np.hstack([planes, planes])
    marked = marks[:, None, :] * scale + reach[:, None, None] * np.array([-1, -1, 1, 1])
    placed: list[Label | None] = [None] * len(names)
    taken: list[np.ndarray] = []
    turns = [(0, index) for index in range(len(names)) if required[index]]
    turns += [(step, index) for step in steps for index in range(len(names)) if not required[index]]
    for step, index in turns:
        if placed[index] is not None:
            continue
        text = _broken(names[index])
        shown = planes[:, 0] >= step
        boxes = [_box(points[index] * planes, text, position) for position in POSITIONS]
        costs = [_conflicts(box[shown], planes[shown], marked[:, shown], _at(taken, shown)) for box in boxes]
        best = int(np.argmin(costs))
        if costs[best] == 0 or required[index]:
            placed[index] = Label(
                "<br>".join(escape(line, quote=False) for line in text), POSITIONS[best][0], step
            )
            taken.append(boxes[best])
    return placed


def _at(boxes: list[np.ndarray], shown: np.ndarray) -> np.ndarray:
    return np.array([box[shown] for box in boxes]).reshape(len(boxes), int(shown.sum()), 4)


def _broken(name: str) -> list[str]:
    """The name on two lines, broken at the space nearest its middle, where it is long."""
    spaces = [place for place, character in enumerate(name) if character == " "]
    if len(name) <= LONGEST_LINE or not spaces:
        return [name]
    middle = min(spaces, key=lambda place: abs(place - len(name) / 2))
    return [name[:middle], name[middle + 1 :]]


def _box(centres: np.ndarray, text: list[str], position: Position) -> np.ndarray:
    """(planes, 4) left, bottom, right and top of a text beside `centres` (planes, 2), in pixels."""
    _, right, up = position
    width, height = CHARACTER * max(map(len, text)), LINE * len(text)
    left = centres[:, 0] + right * OFFSET + (right - 1) / 2 * width
    bottom = centres[:, 1] + up * OFFSET + (up - 1) / 2 * height
    return np.stack([left, bottom, left + width, bottom + height], axis=1)


def _conflicts(box: np.ndarray, planes: np.ndarray, marked: np.ndarray, taken: np.ndarray) -> float:
    """How badly a text lies, added up over the planes; 0 where nothing is in its way."""
    outside = (box[:, :2] < 0) | (box[:, 2:] > planes)
    return OUTSIDE * outside.sum() + POINTS * _overlaps(box, marked) + NAMES * _overlaps(box, taken)


def _overlaps(box: np.ndarray, others: np.ndarray) -> int:
    apart = (others[..., :2] >= box[:, 2:]) | (others[..., 2:] <= box[:, :2])
    return int((~apart.any(axis=-1)).sum())
