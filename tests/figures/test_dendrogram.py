from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, is_valid_linkage

from gradtag_core.figures.dendrogram import affinity_under_tree, leaf_order, task_tree
from gradtag_core.figures.heatmap import affinity_heatmap
from gradtag_core.figures.order import task_order

NAMES = tuple("abcdefgh")
LABELS = np.array([0, 1, 0, 1, 2, 2, 0, 1])
VALUES = np.random.default_rng(0).normal(size=(8, 8))


def paths(figure):
    return [shape for shape in figure.layout.shapes if shape.type == "path"]


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 99), st.lists(st.integers(0, 3), min_size=2, max_size=12))
def test_groups_are_branches_that_stand_together(seed, given_labels):
    labels = np.unique(given_labels, return_inverse=True)[1]
    n_tasks, k = len(labels), int(labels.max()) + 1
    tree = task_tree(np.random.default_rng(seed).normal(size=(n_tasks, n_tasks)), labels)
    order = leaf_order(tree)
    assert sorted(order.tolist()) == list(range(n_tasks))
    assert np.count_nonzero(np.diff(labels[order])) == k - 1
    branches = [{task} for task in range(n_tasks)]
    for left, right in tree[:, :2].astype(int):
        branches.append(branches[left] | branches[right])
    assert all(set(np.flatnonzero(labels == group).tolist()) in branches for group in range(k))


def test_no_branch_is_lower_than_those_inside_it():
    tree = task_tree(VALUES, LABELS)
    heights = [0.0] * 8 + tree[:, 2].tolist()
    for node, (left, right) in enumerate(tree[:, :2].astype(int), start=8):
        assert heights[node] >= max(heights[left], heights[right])


def test_without_groups_it_is_the_tree_behind_the_order_by_similarity():
    tree = task_tree(VALUES)
    assert is_valid_linkage(tree)
    assert leaf_order(tree).tolist() == task_order("similarity", VALUES, NAMES).tolist()


def test_clear_groups_are_found_by_the_free_tree_too():
    values = (LABELS[:, None] == LABELS) + 0.01 * VALUES
    found = fcluster(task_tree(values), 3, "maxclust")
    assert len(set(zip(found.tolist(), LABELS.tolist(), strict=True))) == 3


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_figure_is_the_map_with_frames_and_a_branch_for_every_task(theme):
    figure: Any = affinity_under_tree(VALUES, NAMES, group_labels=LABELS, theme=theme)
    order = leaf_order(task_tree(VALUES, LABELS))
    alone: Any = affinity_heatmap(VALUES, NAMES, order=order, group_labels=LABELS, theme=theme)
    assert np.array_equal(figure.data[0].z, alone.data[0].z, equal_nan=True)
    assert sum(shape.type == "rect" for shape in figure.layout.shapes) == 3
    drawn = "".join(shape.path for shape in paths(figure))
    assert drawn.count("M") == 3 * 7  # two legs and a bar for each join
    assert all(shape.yref == "y2" for shape in paths(figure))
    assert figure.layout.yaxis.domain[1] < figure.layout.yaxis2.domain[0]
    assert figure.layout.height > alone.layout.height


def test_branches_of_one_group_have_a_colour_of_their_own():
    colours = {shape.line.color for shape in paths(affinity_under_tree(VALUES, NAMES, group_labels=LABELS))}
    assert len(colours) == 4  # three groups, and the joins between them
    one = paths(affinity_under_tree(VALUES, NAMES, group_labels=np.zeros(8, dtype=int)))
    assert len({shape.line.color for shape in one}) == 1


def test_by_similarity_there_are_no_frames_unless_groups_stand_together():
    scattered = np.arange(8) % 2
    figure: Any = affinity_under_tree(VALUES, NAMES, group_labels=scattered, grouped=False)
    assert all(shape.type == "path" for shape in figure.layout.shapes)


@pytest.mark.parametrize("n_tasks", [1, 2])
def test_few_tasks_have_a_small_tree_or_none(n_tasks):
    figure: Any = affinity_under_tree(
        VALUES[:n_tasks, :n_tasks], NAMES[:n_tasks], group_labels=np.zeros(n_tasks, dtype=int)
    )
    assert bool(paths(figure)) == (n_tasks == 2)


def test_equal_affinities_have_a_flat_tree():
    figure: Any = affinity_under_tree(np.ones((4, 4)), NAMES[:4], group_labels=np.array([0, 0, 1, 1]))
    assert figure.layout.yaxis2.range[1] > 0
