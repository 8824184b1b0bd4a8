"""Features in shards: ranges of examples that are worked on apart and put together again."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from gradtag_core.cost import Cost
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.gradients.memory import Storage, Table
from gradtag_core.tasks.suite import Rows


def rows_of_shard(rows: Rows, start: int, stop: int) -> Rows:
    """The rows of the examples from `start` to before `stop`, in their order."""
    inside = (rows.example >= start) & (rows.example < stop)
    return Rows(rows.example[inside], rows.task[inside], rows.label[inside])


class ShardJoin:
    """Puts together the features of `rows` from those of the ranges of examples bounds[i] to bounds[i + 1], which are
    added in this order; `projected` lies where `storage` says."""

    def __init__(self, rows: Rows, bounds: np.ndarray, storage: Storage):
        self._rows = rows
        self._ranges = list(pairwise(bounds.tolist()))
        self._storage = storage
        self._added: list[GradientFeatures] = []  # without their matrices
        self._entries: list[Tensor] = []
        self._table: Table | None = None

    def add(self, shard: GradientFeatures) -> None:
        start, stop = self._ranges[len(self._added)]
        example = self._rows.example[replace(shard, rows=self._rows).entry_rows]
        if self._table is None:
            self._table = self._storage.table((len(example), shard.projected.shape[1]))
        entries = torch.from_numpy(np.flatnonzero((example >= start) & (example < stop)))
        self._table.write(entries, shard.projected)
        self._entries.append(entries)
        self._added.append(replace(shard, projected=shard.projected[:0].clone()))

    def joined(self) -> GradientFeatures:
        """The whole, once every shard was added."""
        if self._table is None or len(self._added) < len(self._ranges):
            raise GradTagError(f"Of {len(self._ranges)} shards of features, {len(self._added)} are there.")
        logits = torch.empty(len(self._table.values))
        for entries, shard in zip(self._entries, self._added, strict=True):
            logits[entries] = shard.logits
        energy = sum(shard.gradient_energy * len(shard.logits) for shard in self._added)
        return replace(
            self._added[0], rows=self._rows, logits=logits, projected=self._table.values,
            gradient_energy=energy / max(1, len(logits)), cost=sum((shard.cost for shard in self._added), Cost()),
            storage=self._storage,
        )  # fmt: skip


def captured_energy(shards: Iterable[GradientFeatures]) -> float:
    """`GradientFeatures.captured_energy` of all shards together, each looked at once."""
    kept = total = 0.0
    for shard in shards:
        if len(shard.logits):
            energy = shard.gradient_energy * len(shard.logits)
            kept += shard.captured_energy * energy
            total += energy
    return kept / total
