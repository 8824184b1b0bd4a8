"""Where the features of a suite are cut into units of work; needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradtag_core.tasks.suite import Split, TaskSuite

SPLITS: tuple[Split, Split] = ("train", "validation")
SHARD_NUMBERS = 2**24  # of the projected gradients of a shard: 64 MiB


def shard_bounds(suite: TaskSuite, outputs: Sequence[int], n_columns: int) -> np.ndarray:
    """Ascending examples b[0] = 0 … b[s] = E, so that the training and validation rows of b[i] to before b[i + 1] make
    shard i: about equally many numbers in each, `SHARD_NUMBERS` at most unless one example has more.

    `outputs` of each task; `n_columns` numbers are kept of each output's gradient. All rows of an example share a
    shard, since they share work.
    """
    entries = np.zeros(suite.n_examples, np.int64)
    for split in SPLITS:
        for task, n_outputs in enumerate(outputs):
            entries[suite.indices(split, task)] += n_outputs
    before = np.concatenate([[0], entries.cumsum()])
    n_shards = max(1, -(-int(before[-1]) * n_columns // SHARD_NUMBERS))
    inner = np.searchsorted(before, before[-1] * np.arange(1, n_shards) / n_shards, side="right") - 1
    return np.unique(np.concatenate([[0], inner, [suite.n_examples]]))
