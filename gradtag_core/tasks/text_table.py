"""Task suites from a table of texts: each label column is a task, as in multi-label classification."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.label_columns import Kinds, label_columns
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.tasks.table_file import Table, read_table


def text_suite(
    source: Path | str | Table,
    text_column: str,
    labels: Sequence[str],
    *,
    name: str = "text",
    split_rule: SplitRule | None = None,
    seed: int = 0,
    ids: str | None = None,
    kinds: Kinds | None = None,
) -> TaskSuite:
    """A suite of one task per column of `labels` over the texts of one column, from a CSV or parquet file or a table.

    Labels, `ids`, `seed` and `kinds` are as in `tabular_suite`; other columns are not read. An empty text is an
    `InvalidInput` that names its line.
    """
    table = source if isinstance(source, Table) else read_table(source)
    table.require_columns("text_column", [text_column])
    table.require_columns("labels", labels)
    if text_column in labels or ids in (text_column, *labels):
        raise InvalidInput(
            f"`text_column`, `labels` and `ids` must be different columns; found `{text_column}`."
        )
    table.require_ids(ids)
    texts = table.columns[text_column]
    if isinstance(texts, np.ndarray):
        raise InvalidInput(f"Column `{text_column}` of `{table.title}` must hold text; found numbers.")
    for row, text in enumerate(texts):
        if not text:
            raise InvalidInput(
                f"{table.place(row, text_column)}: a text must not be empty. Fill it in, or leave the row out."
            )
    columns, own_kinds = label_columns(table, labels, kinds)
    return TaskSuite(
        name,
        tuple(labels),
        np.array(texts, dtype=np.dtypes.StringDType()),
        columns,
        np.random.default_rng(seed).permutation(table.n_rows),
        split_rule or SplitRule(),
        kinds=own_kinds,
    )
