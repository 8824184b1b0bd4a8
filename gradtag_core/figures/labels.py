"""Names beside points, placed so that none covers a point, a line or another name."""

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
CORE = 3.0  # of a marker: no line may lead over it
LONGEST_LINE = 16
FORBIDDEN = 1e6  # what it costs to lie outside, or on another name
POINT = 20  # what it costs to cover a point, whose own name would then have no way out
CROSSING = 8  # what it costs to lead over a point or another line
# The lines on which names may hang: what they cost, in lines covered at one size, and the grid of their ends in pixels.
# Those of names that must be shown reach further.
LEADER, LEADER_PIXEL, GRID = 6.0, 0.2, 18
FURTHEST, FURTHEST_REQUIRED = 90, 162
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
class Label:
    """A placed name: its text with line breaks and its plotly position or, if it hangs on a line, how many pixels that
    leads to the right and upwards."""

    text: str
    position: str
    leader: tuple[float, float] | None = None


@dataclass(frozen=True)
class _Places:
    """Where texts can begin: `offsets` (places, 2) in pixels to the right of the point and upwards; a text grows away
    from its point. `prices` (places,) are those of the lines on which they hang, 0 beside the point."""

    positions: tuple[str, ...]
    offsets: np.ndarray
    prices: np.ndarray

    def boxes(self, centres: np.ndarray, text: list[str]) -> np.ndarray:
        """(places, planes, 4) left, bottom, right and top of a text of the point at `centres` (planes, 2)."""
        size = np.array([CHARACTER * max(map(len, text)), LINE * len(text)])
        low = centres + (self.offsets + (np.sign(self.offsets) - 1) / 2 * size)[:, None, :]
        return np.concatenate([low, low + size], axis=-1)

    def leaders(self, centres: np.ndarray) -> np.ndarray:
        """(places, planes, 4) where the lines begin, at the edge of the marker, and how far they lead from there."""
        start = self.offsets * MARKER / np.linalg.norm(self.offsets, axis=1, keepdims=True)
        begin = centres + start[:, None, :]
        return np.concatenate(
            [begin, np.broadcast_to((self.offsets - start)[:, None, :], begin.shape)], axis=-1
        )

    def __add__(self, other: _Places) -> _Places:
        return _Places(
            self.positions + other.positions, np.concatenate([self.offsets, other.offsets]),
            np.concatenate([self.prices, other.prices]),
        )  # fmt: skip


def _hanging(furthest: float) -> _Places:
    """The ends of all lines that are no longer, the nearest first."""
    ends = np.arange(-furthest // GRID * GRID, furthest + 1, GRID)
    offsets = np.stack(np.meshgrid(ends, ends), axis=-1).reshape(-1, 2)
    lengths = np.linalg.norm(offsets, axis=1)
    order = np.argsort(lengths, kind="stable")
    order = order[(lengths[order] > 0) & (lengths[order] <= furthest)]
    return _Places(("",) * len(order), offsets[order], LEADER + LEADER_PIXEL * lengths[order])


BESIDE = _Places(
    tuple(name for name, _, _ in POSITIONS), OFFSET * np.array([way for _, *way in POSITIONS]), np.zeros(len(POSITIONS))
)  # fmt: skip
HANGING = _hanging(FURTHEST)
BESIDE_OR_HANGING = BESIDE + _hanging(FURTHEST_REQUIRED)


def place_labels(
    points: np.ndarray,
    names: Sequence[str],
    required: Sequence[bool],
    lines: np.ndarray,
    sizes: Sequence[tuple[int, int]],
) -> list[Label | None]:
    """A label for each of the `points` (n, 2) that has room, `required` ones first: no name covers another one.

    `points` and `lines` (s, 4: from x, y to x, y) are in shares of the plotting area, whose possible `sizes` are
    (width, height) in pixels. A name stands beside its point, or hangs on a line where nothing beside it is free. A
    required name may cover a point or a line before it is left out.
    """
    room = _Room(points, lines, np.array(sizes, dtype=float))
    placed: list[Label | None] = [None] * len(names)
    turns = [(index, BESIDE_OR_HANGING) for index in range(len(names)) if required[index]]
    turns += [
        (index, ways) for ways in (BESIDE, HANGING) for index in range(len(names)) if not required[index]
    ]
    for index, places in turns:
        if placed[index] is None:
            placed[index] = room.place(index, _broken(names[index]), places, required[index])
    return placed


class _Room:
    """What lies in the plotting area at each of its sizes (planes, 2), in pixels: points, lines, and placed names."""

    def __init__(self, points: np.ndarray, lines: np.ndarray, planes: np.ndarray):
        self.planes = planes
        self.centres = points[:, None, :] * planes
        here = np.concatenate([self.centres, self.centres], axis=-1)
        self.points, self.cores = _around(here, MARKER), _around(here, CORE)
        self.lines = _around(lines.reshape(-1, 1, 4) * np.hstack([planes, planes]), STROKE)
        self.names = np.empty((0, len(planes), 4))
        self.leaders = np.empty((0, len(planes), 4))

    def place(self, index: int, text: list[str], places: _Places, required: bool) -> Label | None:
        """Takes the place in whose way the least is, and, if the name is not `required`, nothing."""
        boxes, leaders = places.boxes(self.centres[index], text), places.leaders(self.centres[index])
        hangs, limit = places.prices > 0, FORBIDDEN if required else 1
        costs = self._in_the_way(boxes)
        open_to = hangs & (costs < limit)
        costs[open_to] += self._crossed(index, leaders[open_to])
        costs = np.where(costs < limit, costs + places.prices, np.inf)
        best = int(np.argmin(costs))
        if not np.isfinite(costs[best]):
            return None
        self.names = np.concatenate([self.names, boxes[best : best + 1]])
        self.leaders = np.concatenate([self.leaders, leaders[best : best + 1][: int(hangs[best])]])
        right, up = map(float, places.offsets[best])
        broken = "<br>".join(escape(line, quote=False) for line in text)
        return Label(broken, places.positions[best], (right, up) if hangs[best] else None)

    def _in_the_way(self, boxes: np.ndarray) -> np.ndarray:
        """How badly names in `boxes` (places, planes, 4) would lie; 0 where nothing is in their way."""
        outside = (boxes[..., :2] < 0) | (boxes[..., 2:] > self.planes)
        taken = _overlaps(boxes, self.names) + _crossings(self.leaders[:, None], boxes).sum(axis=(0, 2))
        covered = POINT * _overlaps(boxes, self.points) + _overlaps(boxes, self.lines)
        return FORBIDDEN * (outside.sum(axis=(1, 2)) + taken) + covered

    def _crossed(self, index: int, leaders: np.ndarray) -> np.ndarray:
        """How badly names would hang on `leaders` (places, planes, 4)."""
        others = np.delete(self.cores, index, axis=0)
        names, points = (_crossings(leaders[:, None], each).sum(axis=(1, 2)) for each in (self.names, others))
        meeting = _meetings(leaders[:, None], self.leaders).sum(axis=(1, 2))
        return FORBIDDEN * names + CROSSING * (points + meeting)


def _broken(name: str) -> list[str]:
    """The name on two lines, broken at the space nearest its middle, where it is long."""
    spaces = [place for place, character in enumerate(name) if character == " "]
    if len(name) <= LONGEST_LINE or not spaces:
        return [name]
    middle = min(spaces, key=lambda place: abs(place - len(name) / 2))
    return [name[:middle], name[middle + 1 :]]


def _around(boxes: np.ndarray, reach: float) -> np.ndarray:
    return boxes + reach * np.array([-1, -1, 1, 1])


def _overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(places,) how many of `others` (m, planes, 4) each of `boxes` (places, planes, 4) overlaps, over the planes."""
    left, bottom, right, top = np.moveaxis(boxes[:, None], -1, 0)
    meet = (
        (others[..., 0] < right)
        & (left < others[..., 2])
        & (others[..., 1] < top)
        & (bottom < others[..., 3])
    )
    return np.count_nonzero(meet, axis=(1, 2))


def _crossings(segments: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Whether each segment (..., 4: begin and way) touches each box (..., 4), by the separating axes of both."""
    half, way = (boxes[..., 2:] - boxes[..., :2]) / 2, segments[..., 2:]
    offset = (boxes[..., 2:] + boxes[..., :2]) / 2 - segments[..., :2]
    reach, length, apart = half + np.abs(way) / 2, np.abs(way), np.abs(offset - way / 2)
    near = (apart[..., 0] < reach[..., 0]) & (apart[..., 1] < reach[..., 1])
    return near & (
        np.abs(_cross(way, offset)) < length[..., 0] * half[..., 1] + length[..., 1] * half[..., 0]
    )


def _meetings(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Whether segments (..., 4: begin and way) cross each other."""
    between = other[..., :2] - one[..., :2]
    denominator = _cross(one[..., 2:], other[..., 2:])
    safe = np.where(denominator == 0, 1.0, denominator)
    along, across = _cross(between, other[..., 2:]) / safe, _cross(between, one[..., 2:]) / safe
    return (denominator != 0) & (along > 0) & (along < 1) & (across > 0) & (across < 1)


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one[..., 0] * other[..., 1] - one[..., 1] * other[..., 0]
