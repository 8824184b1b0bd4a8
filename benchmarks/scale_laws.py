"""Growth laws of measured stages, and what they say of a run that was not measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# The paper's run on Orkut (sections 5.1.2, 5.2.2 and 5.2.4).
PAPER_GPU_HOURS = 112.3
PAPER_TASKS, PAPER_NODES, PAPER_INITS = 500, 395_000, 5
PAPER_SUBSETS = 2000  # of 10 tasks
PAPER_PAIRS = PAPER_TASKS * (PAPER_TASKS - 1) // 2 + PAPER_TASKS  # all pairs, and each task alone
PAPER_ROWS = PAPER_TASKS * PAPER_NODES // 10  # a tenth of the members, and of all others, of each community
OVER_PAIRS, OVER_ROWS = "pairs", "rows"


@dataclass(frozen=True)
class Law:
    """seconds ≈ c · size^`slope` for sizes from `least` to `most`; `linear` is (a, b) of seconds ≈ a + b · size, with
    neither below zero."""

    slope: float
    least: float
    most: float
    linear: tuple[float, float]

    @classmethod
    def of(cls, sizes: Sequence[float], seconds: Sequence[float]) -> Law:
        from scipy.optimize import nnls

        x, y = np.asarray(sizes, float), np.maximum(np.asarray(seconds, float), 1e-3)
        slope = float(np.polyfit(np.log(x), np.log(y), 1)[0])
        # Relative errors count: the largest size alone would decide otherwise.
        found, _ = nnls(np.stack([1 / y, x / y], axis=1), np.ones(len(x)))
        return cls(slope, float(x.min()), float(x.max()), (float(found[0]), float(found[1])))

    def ratio(self, size: float, measured: float) -> float:
        """How many times longer `size` takes than `measured`, by the straight line."""
        a, b = self.linear
        return (a + b * size) / (a + b * measured)


def laws(runs: Sequence[Mapping[str, Any]], size: str) -> dict[str, Law]:
    """The law of each stage against a size of the runs ("n_tasks", "n_nodes", "train rows")."""
    sizes = [run["work"].get(size) or run[size] for run in runs]
    stages = [stage for stage in runs[0]["stages"] if stage != "start"]
    return {stage: Law.of(sizes, [run["stages"][stage]["seconds"] for run in runs]) for stage in stages}


def predicted(
    run: Mapping[str, Any], by_rows: Mapping[str, Law] | None, rows: float, gpu_teraflops: float | None
) -> list[dict[str, Any]]:
    """The paper's run from a measured one of its graph and model: each estimate in core-hours, and in GPU-hours where
    a rate was measured.

    `run` has one initialisation; the paper has five. The pairs are scaled by their number; another number of training
    rows than was measured by the law against rows (None: not scaled).
    """

    def scale(stage: str) -> float:
        law = "regressions" if stage == OVER_PAIRS else stage
        return by_rows[law].ratio(rows, run["train rows"]) if by_rows and law in by_rows else 1.0

    def total(what: str, stage: str, times: float) -> float:
        growth = 1.0 if stage in ("inputs", "groups") else scale(stage)
        if what == "flops":
            growth = rows / run["train rows"] if by_rows else 1.0
        return run["stages"][stage].get(what, 0.0) * times * growth

    n_pairs, inits = run["work"]["n_pairs"], PAPER_INITS / run["work"]["n_inits"]
    found = []
    for title, stage, times in (
        (
            f"higher-order, {PAPER_SUBSETS:,} subsets of 10",
            "regressions",
            PAPER_SUBSETS / run["work"]["n_subsets"],
        ),
        (f"pairwise, {PAPER_PAIRS:,} pairs", OVER_PAIRS, PAPER_PAIRS / n_pairs),
    ):
        parts = {"inputs": 1.0, "base models": inits, "features": inits, stage: inits * times, "groups": 1.0}
        hours = {part: total("cpu seconds", part, factor) / 3600 for part, factor in parts.items()}
        flops = sum(total("flops", part, factor) for part, factor in parts.items())
        gpu = "not measured" if gpu_teraflops is None else f"{flops / (gpu_teraflops * 1e12) / 3600:.2f}"
        found.append(
            {
                "estimate": title, "training rows": f"{rows:,.0f}",
                **{f"{part} (CPU h)".replace(stage, "regressions"): f"{value:.2f}" for part, value in hours.items()},
                "CPU-hours": f"{sum(hours.values()):.1f}", "PFLOP": f"{flops / 1e15:.2f}", "GPU-hours": gpu,
                "paper's GPU-hours": PAPER_GPU_HOURS,
            }
        )  # fmt: skip
    return found
