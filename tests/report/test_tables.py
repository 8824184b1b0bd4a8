from typing import Any

import numpy as np

from gradtag_core.report.bundle import TABLE_WORDS
from gradtag_core.report.findings import find, stability_of
from gradtag_core.report.tables import all_tables, groups_table, pairs_table


def test_every_table_has_its_words(make_record):
    assert set(all_tables(find(make_record()))) == set(TABLE_WORDS)
    without = set(all_tables(find(make_record(truth=0, gain=None))))
    assert without == {name for name in TABLE_WORDS if "true" not in name and "difference" not in name
                       and "accuracy" not in name}  # fmt: skip


def test_pairs_are_every_cell_once_strongest_first(make_record):
    found: Any = find(make_record())
    table = pairs_table(found)
    assert len(table) == 30 and not table.duplicated(["task", "co-task"]).any()
    effects = table["against its average co-task"]
    assert effects.is_monotonic_decreasing
    line = table.iloc[0]
    i, j = (found.task_names.index(line[name]) for name in ("task", "co-task"))
    assert line["affinity"] == found.estimated.values[i, j]
    assert line["true affinity"] == found.true.values[i, j]
    few = pairs_table(found, 4)["against its average co-task"]
    assert list(few) == [*effects[:4], *effects[-4:]]


def test_every_task_stands_in_its_group(make_record):
    record = make_record()
    found: Any = find(record, stability=stability_of(record))
    table = groups_table(found)
    labels = dict(zip(found.task_names, found.grouping.labels + 1, strict=True))
    assert dict(zip(table["task"], table["group"], strict=True)) == labels
    assert list(table["group"]) == sorted(table["group"])
    assert np.allclose(
        table["gain"], table["test score by its group"] - table["test score by one model for all"]
    )
    assert table["stability"].between(0, 1).all()
