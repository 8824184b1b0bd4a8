"""Task suites from a table: each label column is a task."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskSuite
from gradtag_core.tasks.table_columns import MAX_VALUES, feature_columns, label_column
from gradtag_core.tasks.table_file import Table, read_table, table_from_frame

if TYPE_CHECKING:
    from pandas import DataFrame

LEAST_OF_A_CLASS = 3  # one for each split


def tabular_suite(
    source: "Path | str | DataFrame",
    labels: Sequence[str],
    features: Sequence[str] | None = None,
    *,
    name: str = "table",
    split_rule: SplitRule | None = None,
    seed: int = 0,
    max_values: int = MAX_VALUES,
) -> TaskSuite:
    """A suite of one task per column of `labels`, from a CSV or parquet file or a data frame.

    `label_column` says what a label may be; an empty one leaves the row out of that task. `features` (all other
    columns, if None) become the inputs as `feature_columns` says. `seed` draws the order that decides the
    splits. What does not fit is an `InvalidInput` that names the line and the column.
    """
    table = read_table(source) if isinstance(source, str | Path) else table_from_frame(source)
    table.require_columns("labels", labels)
    if features is None:
        features = [column for column in table.columns if column not in labels]
        if not features:
            raise InvalidInput(
                f"`{table.title}` must have a column that is no label, to predict the labels from."
            )
    table.require_columns("features", features)
    both = [column for column in features if column in labels]
    if both:
        raise InvalidInput(
            f"`features` must not name labels, which would give them away; found {quoted(both)}."
        )
    columns = [_checked_labels(table, column) for column in labels]
    return TaskSuite(
        name,
        tuple(labels),
        feature_columns(table, features, max_values),
        np.stack(columns, axis=1),
        np.random.default_rng(seed).permutation(table.n_rows),
        split_rule or SplitRule(),
    )


def _checked_labels(table: Table, name: str) -> np.ndarray:
    labels = label_column(table, name)
    ones, zeros, empty = (int((labels == value).sum()) for value in (1, 0, UNLABELLED))
    if min(ones, zeros) < LEAST_OF_A_CLASS:
        raise InvalidInput(
            f"Label column `{name}` of `{table.title}` must have at least {LEAST_OF_A_CLASS} rows of each class, one "
            f"for each split; found {ones:,} of 1, {zeros:,} of 0 and {empty:,} empty."
        )
    return labels
