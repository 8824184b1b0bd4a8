from typing import Any

import numpy as np
import pytest

from gradtag_core.evaluation.group_changes import group_changes
from gradtag_core.figures.group_flow import LISTED, OPACITY, group_flow
from gradtag_core.figures.theme import PALETTES, template
from gradtag_core.grouping.result import Grouping


def drawn(*args, **options) -> Any:
    return group_flow(*args, **options)


def changes(first, second, names=None):
    names = names or tuple(f"t{index}" for index in range(len(first)))
    return group_changes(*(
        Grouping(np.array(labels), names, 1.0, 2.0, 0.5, "solved", "SCS", "spectral", None, None, 0.1)
        for labels in (first, second)
    ))  # fmt: skip


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_bands_are_as_thick_as_they_have_tasks_and_moved_ones_are_orange(theme):
    (trace,) = drawn(changes([0, 0, 0, 1, 1], [0, 0, 1, 1, 1]), "A", "B", theme=theme).data
    assert list(trace.node.label) == ["Group 1 (3)", "Group 2 (2)", "Group 1 (2)", "Group 2 (3)"]
    bands = dict(zip(zip(trace.link.source, trace.link.target, strict=True), trace.link.value, strict=True))
    assert bands == {(0, 2): 2, (0, 3): 1, (1, 3): 2}
    palette = PALETTES[theme]
    orange = [colour == palette.above + OPACITY for colour in trace.link.color]
    assert orange == [value == 1 for value in trace.link.value]
    assert drawn(changes([0], [0]), "A", "B", theme=theme).layout.template == template(theme)


def test_a_group_stands_beside_its_partner_from_top_to_bottom():
    (trace,) = drawn(changes([0, 0, 1, 1, 2, 2], [0, 1, 1, 1, 2, 2]), "A", "B").data
    left, right = trace.node.y[:3], trace.node.y[3:]
    assert list(left) == sorted(left) and list(right) == sorted(right)
    assert all(0 < place < 1 for place in trace.node.y)


def test_names_are_listed_up_to_a_limit_and_never_markup():
    n_tasks = LISTED + 3
    names = ("<i>x</i>", *(f"t{index}" for index in range(n_tasks - 1)))
    (trace,) = drawn(changes([0] * n_tasks, [0] * n_tasks, names), "<b>", "B").data
    assert trace.link.customdata[0].startswith("&lt;i&gt;x")
    assert trace.link.customdata[0].endswith("and 3 more")


def test_the_names_of_the_runs_stand_above_their_groups():
    figure = drawn(changes([0, 1], [0, 0]), "one <b>", "two")
    assert [note.text for note in figure.layout.annotations] == ["<b>one &lt;b&gt;</b>", "<b>two</b>"]
