"""The numbers of a run as tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from gradtag_core.affinity.matrix import AffinityMatrix
from gradtag_core.figures.accuracy import LINE_TITLES
from gradtag_core.report.densities import help_inside
from gradtag_core.report.findings import Findings

Table = Callable[[], pd.DataFrame]


def matrix_table(values: np.ndarray, task_names: tuple[str, ...]) -> pd.DataFrame:
    """(n, n) values, row = evaluated task, column = co-task."""
    return pd.DataFrame(values, index=pd.Index(task_names, name="task"), columns=list(task_names))


def difference(found: Findings) -> np.ndarray | None:
    """(n, n) estimate minus truth over the really trained subsets."""
    comparison = found.comparison
    return None if comparison is None else comparison.estimated.values - comparison.trained.values


def groups_table(found: Findings) -> pd.DataFrame:
    """A line per task: its group, what the group's tasks do for each other, and its test scores where trained."""
    if found.grouping is None:
        return pd.DataFrame({"task": list(found.task_names)})
    labels = found.grouping.labels
    columns = {
        "task": list(found.task_names), "group": labels + 1,
        "help inside the group": help_inside(found.relative, labels)[labels],
    }  # fmt: skip
    if found.stability is not None:
        columns["stability"] = found.stability.task_stability
    if found.gains is not None:
        gains = found.gains
        columns |= {
            "test score by its group": gains.grouped, "test score by one model for all": gains.together,
            "gain": gains.grouped - gains.together,
        }  # fmt: skip
    return pd.DataFrame(columns).sort_values("group", kind="stable").reset_index(drop=True)


def accuracy_table(found: Findings) -> pd.DataFrame | None:
    """The estimate and its reference lines against real training."""
    if found.comparison is None:
        return None
    lines = {"estimate": found.comparison.estimate, **found.comparison.lines}
    rows = [
        {
            "line": LINE_TITLES.get(name, name.replace("_", " ")),
            "row Spearman": line.agreement.row_spearman,
            "standard error": line.agreement.row_spearman_standard_error,
            "share of the ceiling": line.row_spearman_fraction,
            "column Spearman": line.agreement.column_spearman,
            "distance": line.agreement.distance,
            "distance squared": line.agreement.distance_squared,
            "FLOPs against full training": line.flops_ratio,
        }
        for name, line in lines.items()
    ]
    return pd.DataFrame(rows)


def task_accuracy_table(found: Findings) -> pd.DataFrame:
    """How well the co-tasks of each task are ranked."""
    values = found.comparison.by_task if found.comparison is not None else np.full(found.n_tasks, np.nan)
    return pd.DataFrame({"task": list(found.task_names), "Spearman": values})


def pairs_table(found: Findings, most: int | None = None) -> pd.DataFrame:
    """The directed pairs of tasks, strongest help first; `most`: only so many from either end."""
    rows, columns = np.nonzero(np.isfinite(found.relative))
    order = np.argsort(-found.relative[rows, columns], kind="stable")
    if most is not None and len(order) > 2 * most:
        order = np.concatenate([order[:most], order[-most:]])
    rows, columns = rows[order], columns[order]
    names = np.array(found.task_names, dtype=object)
    table = {
        "task": names[rows], "co-task": names[columns],
        "against its average co-task": found.relative[rows, columns],
        "affinity": found.estimated.values[rows, columns],
        "standard error": found.estimated.standard_errors[rows, columns],
        "subsets": found.estimated.counts[rows, columns],
    }  # fmt: skip
    if found.true is not None:
        table["true affinity"] = found.true.values[rows, columns]
    return pd.DataFrame(table)


def cost_table(found: Findings) -> pd.DataFrame:
    """What each stage cost."""
    costs = found.record.summary.costs
    return pd.DataFrame(
        {
            "stage": list(costs), "FLOPs": [cost.flops for cost in costs.values()],
            "seconds": [cost.seconds for cost in costs.values()],
            "peak memory (MB)": [cost.peak_bytes / 1e6 for cost in costs.values()],
        }
    )  # fmt: skip


def all_tables(found: Findings) -> dict[str, pd.DataFrame]:
    """Every table by the name of its file, matrices with the tasks in the order of the suite."""

    def of(matrix: AffinityMatrix) -> pd.DataFrame:
        return matrix_table(matrix.values, matrix.task_names)

    estimated = found.estimated
    tables = {
        "affinity-estimated": of(estimated),
        "standard-errors": matrix_table(estimated.standard_errors, estimated.task_names),
        "subset-counts": matrix_table(estimated.counts, estimated.task_names),
        "pairs": pairs_table(found),
        "groups": groups_table(found),
        "costs": cost_table(found),
    }
    if found.true is not None:
        tables["affinity-true"] = of(found.true)
    gap, accuracy = difference(found), accuracy_table(found)
    if gap is not None and accuracy is not None:
        tables["affinity-difference"] = matrix_table(gap, found.task_names)
        tables["accuracy"] = accuracy
        tables["accuracy-by-task"] = task_accuracy_table(found)
    return tables
