"""Which tasks share a subset, as member indices in place of a dense table of indicators."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from gradtag_core.affinity.subsets import Subset
from gradtag_core.errors import InvalidInput

INDICES_AT_ONCE = 2**20  # member indices held together


@dataclass(frozen=True)
class Membership:
    """Subset s holds `members[start[s] : start[s + 1]]`; all of `n_tasks` tasks are counted from zero."""

    members: np.ndarray
    start: np.ndarray
    n_tasks: int

    @classmethod
    def of(cls, subsets: Sequence[Subset], n_tasks: int) -> "Membership":
        """Raises `InvalidInput` when a subset repeats a task or names an unknown one."""
        start = np.zeros(len(subsets) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, subsets), np.int64, len(subsets)), out=start[1:])
        members = np.fromiter(chain.from_iterable(subsets), np.int64, int(start[-1]))
        membership = cls(members, start, n_tasks)
        membership._require_different_known_tasks()
        return membership

    @property
    def sizes(self) -> np.ndarray:
        return np.diff(self.start)

    def blocks(self, subset: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The members (B, size) of each `subset` (E,), one size at a time, after their places (B,) in `subset`."""
        size = self.sizes[subset]
        order = np.argsort(size, kind="stable")
        bounds = np.flatnonzero(np.diff(size[order], prepend=-1, append=-1))
        for first, last in pairwise(bounds.tolist()):
            width = int(size[order[first]])
            step = max(1, INDICES_AT_ONCE // max(1, width))
            for begin in range(first, last, step):
                places = order[begin : min(begin + step, last)]
                yield places, self.members[self.start[subset[places], None] + np.arange(width)]

    def sums(self, task: np.ndarray, subset: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """For every pair (i, j) and column, the sum of `weights` (E, columns) over the entries (E,) of task i whose
        subset holds j: (n, n, columns)."""
        n_tasks = self.n_tasks
        totals = np.zeros((weights.shape[1], n_tasks**2))
        for places, members in self.blocks(subset):
            pair = (task[places, None] * n_tasks + members).ravel()
            for total, column in zip(totals, weights.T, strict=True):
                repeated = np.repeat(column[places], members.shape[1])
                total += np.bincount(pair, repeated, minlength=n_tasks**2)
        return np.moveaxis(totals.reshape(-1, n_tasks, n_tasks), 0, -1)

    def _require_different_known_tasks(self) -> None:
        unknown = (self.members < 0) | (self.members >= self.n_tasks)
        if unknown.any():
            self._refuse(int(np.searchsorted(self.start, np.argmax(unknown), side="right")) - 1)
        for places, members in self.blocks(np.arange(len(self.start) - 1)):
            repeats = (np.diff(np.sort(members, axis=1), axis=1) == 0).any(axis=1)
            if repeats.any():
                self._refuse(int(places[np.argmax(repeats)]))

    def _refuse(self, index: int) -> None:
        found = tuple(self.members[self.start[index] : self.start[index + 1]].tolist())
        raise InvalidInput(
            f"Each of `subsets` must be different task indices from 0 to {self.n_tasks - 1}; found {found}. "
            "Name every task once."
        )


def pair_means(
    membership: Membership, task: np.ndarray, subset: np.ndarray, values: np.ndarray
) -> np.ndarray:
    """The mean of `values` (E, columns) over the entries of task i whose subset holds j (paper, equation 1), NaN where
    there is none: (n, n, columns)."""
    count = np.bincount(task, minlength=membership.n_tasks)
    center = np.stack(
        [np.bincount(task, each, minlength=membership.n_tasks) for each in values.T], axis=1
    ) / np.maximum(count, 1)[:, None]  # sums of centred scores keep their digits  # fmt: skip
    with_count = np.concatenate([values - center[task], np.ones((len(values), 1))], axis=1)
    totals = membership.sums(task, subset, with_count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return totals[:, :, :-1] / totals[:, :, -1:] + center[:, None]
