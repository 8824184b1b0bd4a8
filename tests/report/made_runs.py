"""Runs made by hand, whose numbers can be turned: nothing is trained here."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gradtag_core.affinity.scores import Source, SubsetScores
from gradtag_core.affinity.subsets import Subset, random_subsets
from gradtag_core.config import METRICS, make_config
from gradtag_core.cost import Cost
from gradtag_core.grouping.result import Grouping
from gradtag_core.runs.command import command_line
from gradtag_core.runs.record import GroupScores, RunRecord, Summary
from gradtag_core.runs.stages import STAGES

NUMERIC = tuple(METRICS.index(metric) for metric in ("accuracy", "f1", "average_precision"))


def made_record(folder: Path, **knobs: Any) -> RunRecord:
    """A stored run whose tasks help each other within their groups.

    `n`, `n_groups`, `names`; `truth`: subsets really trained; `skill`: how much of the estimate is right (below 0: the
    wrong way round); `sizes`: "random", or "tell" where large co-tasks help; `gain`, `spread` of the groups over one
    model for all (None: not trained); `numeric`: targets without accuracy; `config` and `summary`: fields to change.
    """
    return _Maker(folder, **knobs).record


class _Maker:
    def __init__(
        self, folder: Path, *, n: int = 6, n_groups: int = 2, names: tuple[str, ...] | None = None, truth: int = 15,
        skill: float = 1.0, sizes: str = "random", gain: float | None = 0.1, spread: float = 0.01,
        numeric: bool = False, seeds: tuple[int, ...] = (10, 11), truth_noise: float = 0.02, gap: float = 0.1,
        config: dict[str, Any] | None = None, summary: dict[str, Any] | None = None, m: int | None = None,
    ):  # fmt: skip
        self.record = RunRecord(folder)
        self.names = names or tuple(f"task {index}" for index in range(n))
        self.labels = np.arange(n) % n_groups
        generator = np.random.default_rng(0)
        self.sizes = generator.permutation(np.arange(n)) * 10 + 10
        size = min(4, n)
        metric = "auc" if numeric else "average_precision"
        made = make_config(
            "quick", suite="yeast", n_tasks=max(2, n), truth=truth, metric=metric, subset_size=max(2, size),
            n_groups=n_groups, **(config or {}),
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        costs = {stage: Cost(1e10, 1.0, 1) for stage in STAGES if truth or stage != "truth"}
        self.record.write_summary(
            replace(
                Summary(
                    "made-1", "a run", "yeast", command_line(made), 1.7e9, made.model_dump(), self.names, "0" * 32,
                    {"python": "3.11", "torch": "2.13"}, "cpu", 1e12, 3.0, costs=costs, captured_energy=0.8,
                ),
                **(summary or {}),
            )
        )  # fmt: skip
        subsets = random_subsets(n, size, m or min(60 if n < 20 else 15 * n, 15 if n == 6 else 10**6), seed=0)
        helpful = self._help("group" if sizes == "random" else "size")
        estimate = skill * helpful + (1 - abs(skill)) * generator.normal(size=(n, n)) * helpful.std()
        half = np.full((n, len(METRICS)), 0.5)
        if numeric:
            half[:, NUMERIC] = np.nan
        self.record.write_scores(self._scores(subsets, estimate, (0, 1), "estimated", 0.002, numeric))
        self.record.write_arrays(
            base_scores=half,
            label_similarity=np.asarray(np.corrcoef(generator.normal(size=(n, 3 * n)))),
            train_sizes=self.sizes,
        )
        lead = 1.0
        self.record.write_grouping(
            Grouping(
                self.labels, self.names, 2.0 - gap * lead, 2.0, 1.0, "optimal" if gap == 0 else "solved", "SCS",
                "spectral", None, n_groups, 0.1,
            )
        )  # fmt: skip
        if gain is not None:
            gains = gain + spread * np.linspace(-1, 1, n)[:, None]
            self.record.write_group_scores(GroupScores(half + gains, half, Cost(1e10, 1.0, 1)))
        if truth:
            chosen = subsets[: max(truth, 1)]
            self.record.write_scores(self._scores(chosen, helpful, seeds, "trained", truth_noise, numeric))

    def _help(self, by: str) -> np.ndarray:
        n = len(self.names)
        if by == "size":
            return np.tile(self.sizes / self.sizes.max(), (n, 1)) * 0.1
        return 0.1 * (self.labels[:, None] == self.labels) + 0.01 * np.random.default_rng(3).normal(
            size=(n, n)
        )

    def _scores(
        self, subsets: list[Subset], helps: np.ndarray, seeds: tuple[int, ...], source: Source, noise: float,
        numeric: bool,
    ) -> SubsetScores:  # fmt: skip
        parts = []
        for seed in seeds:
            generator = np.random.default_rng(seed)
            rows = [0.5 + sum(helps[task, other] for other in subset if other != task)
                    for subset in subsets for task in subset]  # fmt: skip
            values = np.tile(np.array(rows)[:, None], (1, len(METRICS)))
            values += noise * generator.normal(size=values.shape)
            if numeric:
                values[:, NUMERIC] = np.nan
            parts.append(SubsetScores.of_seed(self.names, subsets, values, seed, source, Cost(1e10, 1.0, 1)))
        joined = parts[0]
        for part in parts[1:]:
            joined = joined.join(part)
        return joined
