"""Task suites from a table: each label column is a task."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.label_columns import Kinds, label_columns
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.tasks.table_columns import MAX_VALUES, feature_columns
from gradtag_core.tasks.table_file import Table, read_table, table_from_frame

if TYPE_CHECKING:
    from pandas import DataFrame


def tabular_suite(
    source: "Path | str | DataFrame | Table",
    labels: Sequence[str],
    features: Sequence[str] | None = None,
    *,
    name: str = "table",
    split_rule: SplitRule | None = None,
    seed: int = 0,
    ids: str | None = None,
    max_values: int = MAX_VALUES,
    kinds: Kinds | None = None,
) -> TaskSuite:
    """A suite of one task per column of `labels`, from a CSV or parquet file, a data frame or a table.

    `kinds` says which label columns are multiclass or a regression (others are binary), `label_columns` what a label of
    each kind may be; an empty one leaves the row out of that task. `features` (all other
    columns, if None) become the inputs as `feature_columns` says. `ids`: a column that names the rows, each once; it
    is no feature. `seed` draws the order that decides the splits. What does not fit is an `InvalidInput` that names
    the line and the column.
    """
    table = _table(source)
    table.require_columns("labels", labels)
    table.require_ids(ids, [*labels, *(features or ())])
    if features is None:
        features = [column for column in table.columns if column not in labels and column != ids]
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
    columns, own_kinds = label_columns(table, labels, kinds)
    return TaskSuite(
        name,
        tuple(labels),
        feature_columns(table, features, max_values),
        columns,
        np.random.default_rng(seed).permutation(table.n_rows),
        split_rule or SplitRule(),
        kinds=own_kinds,
    )


def _table(source: "Path | str | DataFrame | Table") -> Table:
    if isinstance(source, Table):
        return source
    return read_table(source) if isinstance(source, str | Path) else table_from_frame(source)
