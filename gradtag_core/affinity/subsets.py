"""Which subsets of tasks to score."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from math import ceil, comb, log

import numpy as np

from gradtag_core.errors import InvalidInput, quoted

Subset = tuple[int, ...]

COVER_TRIES = 100
COVER_SEED_STEP = 104_729  # far apart, so that neighbouring seeds do not share draws


def random_subsets(n_tasks: int, subset_size: int, n_subsets: int, seed: int) -> list[Subset]:
    """`n_subsets` different subsets, uniform among those of `subset_size` tasks (paper, section 5.2.2)."""
    if not 1 <= subset_size <= n_tasks:
        raise InvalidInput(
            f"`subset_size` must be between 1 and the number of tasks, {n_tasks}; found {subset_size}."
        )
    available = comb(n_tasks, subset_size)
    if n_subsets > available:
        raise InvalidInput(
            f"`n_subsets` must be at most {available:,}, the number of different subsets of {subset_size} of "
            f"{n_tasks} tasks; found {n_subsets:,}."
        )
    generator = np.random.default_rng(seed)
    if n_subsets > available // 2:
        everything = list(combinations(range(n_tasks), subset_size))
        return [everything[index] for index in generator.permutation(available)[:n_subsets]]
    chosen: dict[Subset, None] = {}
    while len(chosen) < n_subsets:
        keys = generator.random((n_subsets - len(chosen), n_tasks))
        draws = np.sort(np.argsort(keys, axis=1)[:, :subset_size], axis=1)
        chosen.update(dict.fromkeys(map(tuple, draws.tolist())))
    return list(chosen)


def covering_subsets(
    n_tasks: int, subset_size: int, n_subsets: int, seed: int, task_names: Sequence[str]
) -> list[Subset]:
    """Random subsets among which every pair of tasks meets: drawn again, up to `COVER_TRIES` times, until they do.

    Raises `InvalidInput` naming the pairs that stay empty, and how many subsets would do.
    """
    fewest: list[str] = []
    for trial in range(COVER_TRIES):
        subsets = random_subsets(n_tasks, subset_size, n_subsets, seed + trial * COVER_SEED_STEP)
        empty = uncovered_pairs(subsets, task_names)
        if not empty:
            return subsets
        if not fewest or len(empty) < len(fewest):
            fewest = empty
    pairs = comb(n_tasks, 2)
    enough = min(comb(n_tasks, subset_size), ceil(log(pairs + 1) * pairs / comb(subset_size, 2)))
    raise InvalidInput(
        f"`n_subsets` must be large enough for every pair of tasks to meet in a subset; with {n_subsets:,} subsets "
        f"of {subset_size}, {len(fewest)} of {pairs} cells stay empty: {quoted(fewest)}. "
        f"About {enough:,} subsets would do, or a larger `subset_size`."
    )


def pairwise_subsets(n_tasks: int) -> list[Subset]:
    """Every task alone, then every pair: f({i}, i) fills the diagonal, f({i, j}, i) the rest (paper, section 2)."""
    return [(task,) for task in range(n_tasks)] + list(combinations(range(n_tasks), 2))


def uncovered_pairs(subsets: Iterable[Subset], task_names: Sequence[str]) -> list[str]:
    """The pairs of tasks that share no subset, so that their affinity would stay empty."""
    covered = np.eye(len(task_names), dtype=bool)
    for subset in subsets:
        covered[np.ix_(subset, subset)] = True
    return [f"{task_names[i]} + {task_names[j]}" for i, j in np.argwhere(~covered) if i < j]
