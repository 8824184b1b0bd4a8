import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.grouping.constrained_search import _State, constrained_search
from gradtag_core.grouping.constraints import Constraints, feasible_labels, make_rules
from gradtag_core.grouping.density import centre, density, local_search, membership


def names(n_tasks: int) -> list[str]:
    return [f"t{index}" for index in range(n_tasks)]


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 12), st.integers(0, 2**32 - 1), st.integers(2, 3))
def test_stays_allowed_and_never_loses(n_tasks, seed, n_groups):
    rng = np.random.default_rng(seed)
    affinity = rng.normal(size=(n_tasks, n_tasks))
    constraints = Constraints(
        max_size=-(-n_tasks // n_groups) + 1, must_link=(("t0", "t1"),), cannot_link=(("t0", "t2"),),
        task_costs=tuple(rng.integers(1, 4, size=n_tasks).tolist()), max_group_cost=4 * n_tasks / n_groups,
    )  # fmt: skip
    rules = make_rules(constraints, names(n_tasks), n_groups)
    start = feasible_labels(rules)
    if start is None:
        return
    found = constrained_search(affinity, start, rules)
    assert rules.allow(found)
    assert density(affinity, found) >= density(affinity, start) - 1e-9


def test_without_constraints_no_single_move_is_left():
    for seed in range(10):
        affinity = np.random.default_rng(seed).normal(size=(12, 12))
        rules = make_rules(Constraints(), names(12), 3)
        found = constrained_search(affinity, np.arange(12) % 3, rules)
        assert np.array_equal(local_search(affinity, found), found)


def test_gains_are_what_the_density_gains():
    rng = np.random.default_rng(4)
    affinity, labels = rng.normal(size=(9, 9)), rng.permutation(np.arange(9) % 3)
    labels[1] = labels[0]
    rules = make_rules(Constraints(must_link=(("t0", "t1"),)), names(9), 3)
    blocks = membership(rules.block)
    state = _State(
        blocks.T @ centre(affinity) @ blocks, blocks.sum(axis=0), np.zeros(8), np.zeros((8, 8)), rules
    )
    state.labels = labels[np.unique(rules.block, return_index=True)[1]]
    before = density(affinity, labels)
    for block, target in np.argwhere(np.isfinite(state.move_gains())):
        moved = np.where(rules.block == block, target, labels)
        assert np.isclose(density(affinity, moved) - before, state.move_gains()[block, target])
    swaps = state.swap_gains()
    for first, second in np.argwhere(np.isfinite(swaps)):
        swapped = state.labels.copy()
        swapped[[first, second]] = swapped[[second, first]]
        assert np.isclose(density(affinity, swapped[rules.block]) - before, swaps[first, second])


def test_swaps_sort_full_groups():
    """Equal sizes leave no single move."""
    group = np.arange(12) % 3
    affinity = np.equal.outer(group, group).astype(float)
    rules = make_rules(Constraints(min_size=4, max_size=4), names(12), 3)
    found = constrained_search(affinity, np.repeat([0, 1, 2], 4), rules)
    assert np.array_equal(np.equal.outer(found, found), np.equal.outer(group, group))
