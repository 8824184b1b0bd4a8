from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.figures.labels import CHARACTER, LINE, MARKER, OFFSET, POSITIONS, place_labels

SIZES = ((300, 300), (600, 400), (1200, 420))
NO_LINES = np.empty((0, 4))
DIRECTIONS: dict[str, tuple[float, float]] = {name: (right, up) for name, right, up in POSITIONS}
places = st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98))


def box(point, label, size):
    """The corners of a text, from what plotly's positions mean."""
    x, y = point[0] * size[0], point[1] * size[1]
    lines = label.text.split("<br>")
    width, height = CHARACTER * max(map(len, lines)), LINE * len(lines)
    right, up = label.leader or (OFFSET * share for share in DIRECTIONS[label.position])
    left = x + right - (width if right < 0 else width / 2 if right == 0 else 0)
    bottom = y + up - (height if up < 0 else height / 2 if up == 0 else 0)
    return left, bottom, left + width, bottom + height


def overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


@given(st.lists(places, min_size=1, max_size=12, unique=True))
def test_no_optional_name_covers_anything_at_any_width(points):
    names = [f"method {index}" for index in range(len(points))]
    placed = place_labels(np.array(points), names, [False] * len(points), NO_LINES, SIZES, (0, 600))
    for size in SIZES:
        boxes = [
            box(point, label, size)
            for point, label in zip(points, placed, strict=True)
            if label is not None and label.from_width <= size[0]
        ]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        marks = [(x * size[0] - MARKER, y * size[1] - MARKER, x * size[0] + MARKER, y * size[1] + MARKER)
                 for x, y in points]  # fmt: skip
        assert not any(overlap(one, mark) for one in boxes for mark in marks)
        assert all(left >= 0 and right <= size[0] for left, _, right, _ in boxes)


@given(st.lists(places, min_size=1, max_size=12, unique=True))
def test_required_names_come_first_and_cover_no_other_at_any_width(points):
    names = [f"method {index}" for index in range(len(points))]
    required = [index % 2 == 0 for index in range(len(points))]
    placed = place_labels(np.array(points), names, required, NO_LINES, SIZES, (0, 600))
    assert placed[0] is None or placed[0].from_width == 0
    assert all(
        label is None or label.leader is None or must for label, must in zip(placed, required, strict=True)
    )
    for size in SIZES:
        boxes = [box(point, label, size) for point, label in zip(points, placed, strict=True)
                 if label is not None and label.from_width <= size[0]]  # fmt: skip
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        assert all(left >= 0 and right <= size[0] for left, _, right, _ in boxes)


def test_required_names_of_a_cluster_hang_on_lines_that_cross_no_name():
    points = np.array([[0.70, 0.20], [0.74, 0.19], [0.78, 0.18], [0.82, 0.17]])
    placed = place_labels(points, ["a name of it"] * 4, [True] * 4, NO_LINES, SIZES, ())
    labels = [label for label in placed if label is not None]
    assert len(labels) == 4 and any(label.leader for label in labels)
    for size in SIZES:
        boxes = [box(point, label, size) for point, label in zip(points, labels, strict=True)]
        for (x, y), label, own in zip(points * size, labels, boxes, strict=True):
            right, up = label.leader or (0.0, 0.0)
            along = [(x + share * right, y + share * up) for share in np.linspace(0, 1, 50)]
            others = [other for other in boxes if other != own]
            assert not any(
                left < u < end and low < v < top for u, v in along for left, low, end, top in others
            )


def test_without_crowding_required_names_stay_beside_their_points():
    points = np.array([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]])
    placed = place_labels(points, ["one", "two", "three"], [True] * 3, NO_LINES, SIZES, ())
    assert all(label is not None and label.leader is None for label in placed)


def test_a_name_that_needs_room_waits_for_a_wider_figure():
    points = np.array([[0.4, 0.5], [0.5, 0.5], [0.6, 0.5]])
    names = ["a name of twenty ab"] * 3
    lines = np.array([[0, 0.42, 1, 0.42], [0, 0.58, 1, 0.58]])  # nothing but left and right is free
    placed = place_labels(points, names, [False] * 3, lines, SIZES, (0, 600, 1200))
    widths = [label.from_width for label in placed if label]
    assert widths and min(widths) == 0 and max(widths) > 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TAG", "TAG"),
        ("Backward selection, estimated", "Backward selection,<br>estimated"),
        ("a<b", "a&lt;b"),
        ("Averyveryverylongname", "Averyveryverylongname"),
    ],
)
def test_long_names_are_broken_and_all_are_escaped(name, text):
    (label,) = place_labels(np.array([[0.5, 0.5]]), [name], [True], NO_LINES, SIZES, ())
    assert label is not None and label.text == text
