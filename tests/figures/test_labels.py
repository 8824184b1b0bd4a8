from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.figures.labels import (
    CHARACTER,
    CORE,
    FURTHEST,
    FURTHEST_REQUIRED,
    LINE,
    MARKER,
    OFFSET,
    POSITIONS,
    place_labels,
)

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


def line(point, label, size):
    """Places along the line on which a name hangs, from the edge of its marker on; none for a name beside its point."""
    if label.leader is None:
        return []
    x, y = point[0] * size[0], point[1] * size[1]
    beginning = MARKER / np.hypot(*label.leader)
    return [
        (x + share * label.leader[0], y + share * label.leader[1]) for share in np.linspace(beginning, 1, 60)
    ]


def inside(place, box):
    return box[0] < place[0] < box[2] and box[1] < place[1] < box[3]


def around(point, size, reach):
    x, y = point[0] * size[0], point[1] * size[1]
    return x - reach, y - reach, x + reach, y + reach


@given(st.lists(places, min_size=1, max_size=12, unique=True))
def test_no_optional_name_nor_its_line_covers_anything_at_any_width(points):
    names = [f"method {index}" for index in range(len(points))]
    placed = place_labels(np.array(points), names, [False] * len(points), NO_LINES, SIZES)
    for size in SIZES:
        shown = [(point, label) for point, label in zip(points, placed, strict=True) if label is not None]
        boxes = [box(point, label, size) for point, label in shown]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        assert not any(overlap(one, around(point, size, MARKER)) for one in boxes for point in points)
        assert all(left >= 0 and right <= size[0] for left, _, right, _ in boxes)
        for (point, label), own in zip(shown, boxes, strict=True):
            blocked = [each for each in boxes if each != own]
            blocked += [around(each, size, CORE) for each in points if each != point]
            assert not any(inside(place, each) for place in line(point, label, size) for each in blocked)


@given(st.lists(places, min_size=1, max_size=12, unique=True))
def test_required_names_come_first_and_cover_no_other_at_any_width(points):
    names = [f"method {index}" for index in range(len(points))]
    required = [index % 2 == 0 for index in range(len(points))]
    placed = place_labels(np.array(points), names, required, NO_LINES, SIZES)
    others_unnamed = [name if must else "" for name, must in zip(names, required, strict=True)]
    alone = place_labels(np.array(points), others_unnamed, required, NO_LINES, SIZES)
    assert placed[::2] == alone[::2]
    for size in SIZES:
        boxes = [
            box(point, label, size) for point, label in zip(points, placed, strict=True) if label is not None
        ]
        assert not any(overlap(one, other) for one, other in combinations(boxes, 2))
        assert all(left >= 0 and right <= size[0] for left, _, right, _ in boxes)


@pytest.mark.parametrize(("required", "sizes"), [(True, SIZES), (False, SIZES[1:2])])
def test_names_of_a_cluster_hang_on_lines_that_cross_no_name(required, sizes):
    points = np.array([[0.70, 0.20], [0.74, 0.19], [0.78, 0.18], [0.82, 0.17]])
    placed = place_labels(points, ["a name of it"] * 4, [required] * 4, NO_LINES, sizes)
    labels = [label for label in placed if label is not None]
    assert len(labels) == 4 and any(label.leader for label in labels)
    for size in sizes:
        boxes = [box(point, label, size) for point, label in zip(points, labels, strict=True)]
        for (x, y), label, own in zip(points * size, labels, boxes, strict=True):
            right, up = label.leader or (0.0, 0.0)
            along = [(x + share * right, y + share * up) for share in np.linspace(0, 1, 50)]
            others = [other for other in boxes if other != own]
            assert not any(inside(place, other) for place in along for other in others)


def test_a_line_leads_no_further_than_a_required_name_may_be():
    crowd = np.array([[x, y] for x in np.linspace(0.3, 0.7, 12) for y in np.linspace(0.3, 0.7, 9)])
    required = [index == 54 for index in range(len(crowd))]
    placed = place_labels(crowd, ["a name of it"] * len(crowd), required, NO_LINES, [(600, 400)])
    lengths = {index: np.hypot(*label.leader) for index, label in enumerate(placed) if label and label.leader}
    assert placed[54] is not None
    assert lengths and max(lengths.values()) <= FURTHEST_REQUIRED
    assert all(length <= FURTHEST for index, length in lengths.items() if index != 54)


def test_without_crowding_required_names_stay_beside_their_points():
    points = np.array([[0.2, 0.8], [0.5, 0.5], [0.8, 0.2]])
    placed = place_labels(points, ["one", "two", "three"], [True] * 3, NO_LINES, SIZES)
    assert all(label is not None and label.leader is None for label in placed)


def test_a_name_that_has_no_room_is_left_out_unless_it_is_required():
    points = np.array([[0.5, 0.5]])
    lines = np.array([[0, y, 1, y] for y in np.linspace(0, 1, 60)])
    for required in (True, False):
        (label,) = place_labels(points, ["a name"], [required], lines, SIZES)
        assert (label is not None) == required


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
    (label,) = place_labels(np.array([[0.5, 0.5]]), [name], [True], NO_LINES, SIZES)
    assert label is not None and label.text == text
