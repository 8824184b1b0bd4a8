"""Features of a base model as units of work: shards of examples, put together where they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from gradtag_core.cost import Cost
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.gradients.memory import Storage, held_bytes, share_of
from gradtag_core.gradients.projection import make_projection
from gradtag_core.gradients.shards import ShardJoin, captured_energy, rows_of_shard
from gradtag_core.runs.shard_bounds import SPLITS
from gradtag_core.tasks.suite import Rows, Split

if TYPE_CHECKING:
    from gradtag_core.runs.units import Units

STAGE = "features"
Pair = tuple[GradientFeatures, GradientFeatures]


class FeatureUnits:
    """The shards of features of each base model of a plan: found in the cache, or computed and put there.

    What one shard needs beside its rows (a projection that is fitted to data) follows from the seed, so that every
    process makes the same; its cost is that of the first shard. The last one is kept until `forget`.
    """

    def __init__(self, units: Units):
        self._units = units
        self._exact = units.plan.config.projection == "identity"
        self._fitted: tuple[int, Featurizer, Cost] | None = None

    def forget(self) -> None:
        """Let go of what shards share."""
        self._fitted = None

    def shard(self, seed: int, index: int) -> Pair:
        """Logits and projected gradients of the training and validation rows of one range of examples."""
        units = self._units
        key = units.noted(STAGE, units.keys.feature_shard(seed, index))
        rows = self._rows(index)
        found = units.cache.get_arrays(STAGE, key)
        if found:
            arrays, metadata = found
            facts = json.loads(metadata["facts"])
            train, validation = (
                GradientFeatures(
                    rows[split],
                    torch.from_numpy(arrays[f"{split}_logits"]),
                    torch.from_numpy(arrays[f"{split}_projected"]),
                    facts[split]["gradient_energy"],
                    Cost(**facts[split]["cost"]),
                    tuple(facts[split]["warnings"]),
                    units.plan.suite.kinds,
                    units.plan.architecture.outputs,
                )
                for split in SPLITS
            )
            return train, validation
        train, validation = self._computed(seed, index, rows)
        arrays, facts = {}, {}
        for split, made in zip(SPLITS, (train, validation), strict=True):
            arrays |= {f"{split}_logits": made.logits.numpy(), f"{split}_projected": made.projected.numpy()}
            facts[split] = {
                "gradient_energy": made.gradient_energy, "cost": made.cost.to_json(), "warnings": made.warnings,
            }  # fmt: skip
        units.cache.put_arrays(STAGE, key, arrays, {"facts": json.dumps(facts)})
        return train, validation

    def whole(self, seed: int) -> Pair:
        """All rows of a base model; what is larger than its share of the memory budget lies in a file without name."""
        bounds, storage = self._units.keys.shard_bounds, self._storage
        if len(bounds) == 2:
            train, validation = self.shard(seed, 0)
            return replace(train, storage=storage), replace(validation, storage=storage)
        joins = [ShardJoin(self._units.plan.suite.rows(split), bounds, storage) for split in SPLITS]
        for shard in self._shards(seed):
            for join, part in zip(joins, shard, strict=True):
                join.add(part)
        train, validation = (join.joined() for join in joins)
        return train, validation

    def facts(self, seed: int) -> tuple[Cost, float, tuple[str, ...]]:
        """What the features of a base model cost, the share of the validation gradients' energy that they keep, and
        warnings; computes them where absent, a shard at a time."""
        costs: list[Cost] = []
        warnings: dict[str, None] = {}

        def validations() -> Iterator[GradientFeatures]:
            for train, validation in self._shards(seed):
                costs.extend([train.cost, validation.cost])
                warnings.update(dict.fromkeys(train.warnings))
                yield validation

        kept = captured_energy(validations())
        return sum(costs, Cost()), 1.0 if self._exact else kept, tuple(warnings)

    def featurizer(self, seed: int) -> Featurizer:
        """Fitted, at the base model of `seed`."""
        return self._fit(seed)[0]

    def _fit(self, seed: int) -> tuple[Featurizer, Cost]:
        if self._fitted is None or self._fitted[0] != seed:
            self._fitted = None  # what it holds makes room first
            featurizer = self._unfitted(seed)
            cost = featurizer.fit(self._units.plan.suite.rows("train"), seed)
            self._fitted = (seed, featurizer, cost)
        return self._fitted[1:]

    def _unfitted(self, seed: int) -> Featurizer:
        units, config = self._units, self._units.plan.config
        projection = (
            make_projection("factored", 1, seed)  # only logits and inner products are asked for
            if self._exact
            else make_projection(config.projection, config.proj_dim, seed)
        )
        return Featurizer(
            units.plan.suite, units.base_model(seed), projection, units.device, units.reporter,
            config.parameters, None if config.memory is None else int(config.memory * 2**30), units.cache.root,
        )  # fmt: skip

    def _computed(self, seed: int, index: int, rows: dict[Split, Rows]) -> Pair:
        featurizer, fit_cost = self._fit(seed)
        train, validation = (featurizer.featurize(rows[split]) for split in SPLITS)
        if index == 0:
            train = replace(train, cost=train.cost + fit_cost)
        if not self._exact:
            return train, validation
        everything = self._units.plan.suite.rows("train")
        kernel, kernel_cost = featurizer.kernel(rows["train"], everything)
        validation_kernel, validation_cost = featurizer.kernel(rows["validation"], everything)
        return (
            replace(train, projected=kernel, cost=train.cost + kernel_cost),
            replace(validation, projected=validation_kernel, cost=validation.cost + validation_cost),
        )

    def _shards(self, seed: int) -> Iterator[Pair]:
        for index in range(len(self._units.keys.shard_bounds) - 1):
            yield self.shard(seed, index)
        self.forget()

    def _rows(self, index: int) -> dict[Split, Rows]:
        start, stop = self._units.keys.shard_bounds[index : index + 2].tolist()
        return {split: rows_of_shard(self._units.plan.suite.rows(split), start, stop) for split in SPLITS}

    @property
    def _storage(self) -> Storage:
        """Where matrices as large as all features go: beyond their share of the memory budget, into a file."""
        suite, memory = self._units.plan.suite, self._units.plan.config.memory
        if memory is None:
            return Storage()
        held = held_bytes((suite.inputs, suite.labels, suite.order))
        return Storage(share_of(int(memory * 2**30), held), self._units.cache.root)
