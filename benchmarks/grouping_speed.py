"""How fast and how well the grouping solvers work: `python -m benchmarks.grouping_speed [--json]`.

Noisy planted groups: blocks of ones, Gaussian noise of standard deviation 1 on every cell and a random shift per
row. Gaps are shares of the lead over a random grouping. One thread; SCS runs where it finishes in reasonable time.
"""

import argparse
import json
import time
from typing import Any

import numpy as np

SMALLEST_GROUP, MOST_GROUPS = 10, 20
ACCURACY = 1e-3
SCS_TASKS = 100
SCS_TOLERANCES = (1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6)


def planted(n_tasks: int, n_groups: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A noisy affinity matrix and the group of each task."""
    generator = np.random.default_rng(seed)
    group = generator.permutation(np.arange(n_tasks) % n_groups)
    noise = generator.normal(size=(n_tasks, n_tasks))
    return (group[:, None] == group) + noise + generator.normal(size=(n_tasks, 1)), group


def fastest_relaxation(affinity: np.ndarray, n_groups: int, solver: Any, repeats: int) -> tuple[Any, float]:
    """The fastest solve whose proven gap, with X made feasible, is at most `ACCURACY`; and that gap.

    A general solver stops by residuals, so each of `SCS_TOLERANCES` is tried until the gap is small enough.
    """
    from gradtag_core.grouping.sdp import relax

    best = None
    for tolerance in SCS_TOLERANCES if solver == "SCS" else (0.9 * ACCURACY,):
        for _ in range(repeats):
            found = relax(affinity, n_groups, solver=solver, tolerance=tolerance)
            if best is None or best[1] > ACCURACY or found.seconds < best[0].seconds:
                best = (found, proven_gap(found))
        if best and best[1] <= ACCURACY:
            return best
    if best is None:
        raise ValueError(f"`repeats` must be at least 1; found {repeats}.")
    return best


def proven_gap(relaxation: Any) -> float:
    """(upper bound - value of a feasible X near the solver's) / (upper bound - random grouping)."""
    from gradtag_core.grouping.density import expected_density
    from gradtag_core.grouping.feasible import nearest_feasible

    affinity, n_groups = relaxation.affinity, relaxation.n_groups
    value = max(float((affinity * X).sum()) for X in nearest_feasible(relaxation.X, n_groups))
    return (relaxation.upper_bound - value) / (relaxation.upper_bound - expected_density(affinity, n_groups))


def measure(n_tasks: int, seed: int, repeats: int) -> list[dict[str, Any]]:
    """One line per solver: seconds (the best of `repeats`), gaps, agreement with the planted groups."""
    from sklearn.metrics import adjusted_rand_score

    from gradtag_core.grouping.cluster import cluster, round_relaxation

    n_groups = min(MOST_GROUPS, max(2, n_tasks // SMALLEST_GROUP))
    affinity, group = planted(n_tasks, n_groups, seed)
    lines = []

    def add(solver: str, seconds: float, with_rounding: float, relaxed_gap: float | None, found: Any) -> None:
        lines.append({
            "tasks": n_tasks, "groups": n_groups, "solver": solver, "seconds": seconds,
            "seconds_with_rounding": with_rounding, "relaxation_gap": relaxed_gap, "grouping_gap": found.gap,
            "rand_index": float(adjusted_rand_score(group, found.labels)), "status": found.status,
        })  # fmt: skip

    for solver in ("ADMM", "SCS") if n_tasks <= SCS_TASKS else ("ADMM",):
        fastest, gap = fastest_relaxation(affinity, n_groups, solver, repeats)
        found = round_relaxation(fastest)
        add(solver, fastest.seconds, found.seconds, gap, found)
    started = time.perf_counter()
    found = cluster(affinity, n_groups, method="local")
    seconds = time.perf_counter() - started
    add("none (local search)", seconds, seconds, None, found)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 500, 1000], help="numbers of tasks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1, help="of every relaxation; the fastest counts")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    arguments = parser.parse_args()

    from threadpoolctl import threadpool_limits

    from gradtag_core.grouping.cluster import cluster

    with threadpool_limits(1):
        for solver in ("ADMM", "SCS"):  # importing the solvers is no part of solving
            cluster(np.eye(4), 2, solver=solver)
        lines = [
            line for size in arguments.sizes for line in measure(size, arguments.seed, arguments.repeats)
        ]
    if arguments.json:
        print(json.dumps(lines, indent=2))
        return
    columns = ("tasks", "groups", "solver", "seconds", "seconds_with_rounding", "relaxation_gap", "grouping_gap",
               "rand_index", "status")  # fmt: skip
    print(" | ".join(f"{column:>19}" for column in columns))
    for line in lines:
        cells = (
            "–" if line[c] is None else f"{line[c]:.4g}" if isinstance(line[c], float) else line[c]
            for c in columns
        )
        print(" | ".join(f"{cell:>19}" for cell in cells))


if __name__ == "__main__":
    main()
