"""Local search on the density that never leaves what the constraints allow."""

import numpy as np

from gradtag_core.grouping.constraints import Rules
from gradtag_core.grouping.density import Array, centre, membership

MAX_STEPS = 10_000


def constrained_search(affinity: Array, labels: Array, rules: Rules) -> Array:
    """Make the best allowed move of a block, or where none helps the best allowed swap of two, until neither helps.

    A block is a task with all it must share its group with. `labels` must satisfy the rules. Moves follow
    Hartigan's rule with weighted points; swaps go on where sizes leave no room for a move. Returns new labels.
    """
    blocks = membership(rules.block)
    centred = blocks.T @ centre(affinity) @ blocks
    state = _State(
        centred, blocks.sum(axis=0), blocks.T @ rules.costs, blocks.T @ rules.apart @ blocks > 0, rules
    )
    state.labels = labels[np.unique(rules.block, return_index=True)[1]].copy()
    smallest_gain = 1e-12 * len(labels) * float(np.abs(centred).max())
    for _ in range(MAX_STEPS):
        gains = state.move_gains()
        block, target = np.unravel_index(int(gains.argmax()), gains.shape)
        if gains[block, target] > smallest_gain:
            state.labels[block] = target
            continue
        swaps = state.swap_gains()
        first, second = np.unravel_index(int(swaps.argmax()), swaps.shape)
        if not swaps[first, second] > smallest_gain:
            break
        state.labels[[first, second]] = state.labels[[second, first]]
    return state.labels[rules.block]


class _State:
    """Blocks with their affinities C, weights (numbers of tasks), costs and the blocks they may not join."""

    def __init__(self, centred: Array, weights: Array, costs: Array, apart: Array, rules: Rules):
        self.centred, self.weights, self.costs, self.rules = centred, weights, costs, rules
        self.apart = apart.astype(float)
        self.diagonal = np.diag(centred)
        self.labels = np.zeros(len(weights), dtype=int)

    def _groups(self) -> tuple[Array, Array, Array, Array, Array]:
        members = (self.labels[:, None] == np.arange(self.rules.n_groups)).astype(float)
        sums = self.centred @ members
        return members, sums, (members * sums).sum(axis=0), self.weights @ members, self.costs @ members

    def move_gains(self) -> Array:
        """(blocks, groups): what a move adds, minus infinity where it is not allowed."""
        members, sums, totals, sizes, costs = self._groups()
        rows, own = np.arange(len(self.labels)), self.labels
        rest = sizes[own] - self.weights
        left = (totals[own] - 2 * sums[rows, own] + self.diagonal) / np.maximum(rest, 1) - totals[
            own
        ] / sizes[own]
        grown = sizes + self.weights[:, None]
        joined = (totals + 2 * sums + self.diagonal[:, None]) / grown - totals / sizes
        allowed = (rest >= self.rules.constraints.min_size)[:, None] & (grown <= self.rules.max_size)
        allowed &= (costs + self.costs[:, None] <= self.rules.max_cost) & (self.apart @ members == 0)
        allowed[rows, own] = False
        return np.where(allowed, joined + left[:, None], -np.inf)

    def swap_gains(self) -> Array:
        """(blocks, blocks): what exchanging the groups of two adds, minus infinity where it is not allowed."""
        members, sums, totals, sizes, costs = self._groups()
        own, weights = self.labels, self.weights
        rows = np.arange(len(own))
        # Entry [i, j] is about the group of i, which loses i and wins j.
        change = 2 * sums[:, own].T - 2 * sums[rows, own][:, None] - 2 * self.centred
        total = totals[own][:, None] + change + self.diagonal[:, None] + self.diagonal
        size = sizes[own][:, None] + weights - weights[:, None]
        cost = costs[own][:, None] + self.costs - self.costs[:, None]
        limits = self.rules.constraints
        enemies = (self.apart @ members)[:, own].T - self.apart  # of j in the group of i, without i
        allowed = (size >= limits.min_size) & (size <= self.rules.max_size) & (cost <= self.rules.max_cost)
        allowed &= (enemies == 0) & (own[:, None] != own)
        gain = total / np.maximum(size, 1) - (totals / sizes)[own][:, None]
        return np.where(allowed & allowed.T, gain + gain.T, -np.inf)
