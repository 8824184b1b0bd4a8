"""Suites from tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.suite import SplitRule
from gradtag_core.tasks.table_columns import feature_columns
from gradtag_core.tasks.table_file import table_from_frame
from gradtag_core.tasks.tabular import tabular_suite


@st.composite
def frames(draw: st.DrawFn) -> tuple[pd.DataFrame, list[str]]:
    """A table with one to three labels, of which each has at least three rows of both classes."""
    n_rows, n_labels = draw(st.integers(8, 20)), draw(st.integers(1, 3))
    number = st.floats(-100, 100, width=32)
    columns: dict[str, list] = {
        "size": draw(st.lists(number | st.none(), min_size=n_rows, max_size=n_rows)),
        "kind": draw(st.lists(st.sampled_from(["a", "b", None]), min_size=n_rows, max_size=n_rows)),
        "weight": [float(row) for row in range(n_rows)],
    }
    columns["size"][0], columns["kind"][0] = 1.0, "a"
    labels = [f"label {place}" for place in range(n_labels)]
    for label in labels:
        rest = st.lists(st.sampled_from([0, 1, None]), min_size=n_rows - 6, max_size=n_rows - 6)
        columns[label] = draw(st.permutations([0, 0, 0, 1, 1, 1, *draw(rest)]))
    return pd.DataFrame(columns), labels


@given(frames())
def test_labels_and_features_come_back(made: tuple[pd.DataFrame, list[str]]) -> None:
    frame, labels = made
    suite = tabular_suite(frame, labels, name="made", seed=3)
    assert (suite.name, suite.task_names, suite.n_examples) == ("made", tuple(labels), len(frame))
    np.testing.assert_array_equal(suite.labels, frame[labels].fillna(-1).to_numpy(np.int8))
    expected = feature_columns(table_from_frame(frame), ["size", "kind", "weight"])
    np.testing.assert_array_equal(suite.inputs, expected)
    assert suite.fingerprint == tabular_suite(frame, labels, name="made", seed=3).fingerprint
    assert suite.fingerprint != tabular_suite(frame, labels, name="made", seed=4).fingerprint


@given(frames(), st.data())
def test_permuting_label_columns_permutes_the_tasks(
    made: tuple[pd.DataFrame, list[str]], data: st.DataObject
) -> None:
    frame, labels = made
    order = data.draw(st.permutations(labels))
    permuted = tabular_suite(frame, order)
    assert permuted.fingerprint == tabular_suite(frame, labels).select(order).fingerprint


@given(frames(), st.data())
def test_permuting_rows_leaves_the_labelled_rows_of_each_task(
    made: tuple[pd.DataFrame, list[str]], data: st.DataObject
) -> None:
    frame, labels = made
    rows = np.array(data.draw(st.permutations(range(len(frame)))))
    before = tabular_suite(frame, labels, ["weight", "kind"])
    after = tabular_suite(frame.iloc[rows], labels, ["weight", "kind"])
    np.testing.assert_array_equal(after.labels, before.labels[rows])
    np.testing.assert_allclose(after.inputs, before.inputs[rows], atol=1e-3)
    for task in range(before.n_tasks):
        sizes = [[len(suite.indices(split, task)) for split in ("train", "validation", "test")]
                 for suite in (before, after)]  # fmt: skip
        assert sizes[0] == sizes[1]


def test_csv_parquet_and_data_frame_are_one_suite(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "x": [*np.linspace(-1, 1, 12).tolist()[:-1], None],
        "kind": ["a", "b", None] * 4,
        "good": [1, 0] * 6,
        "late": [1, 0, None] * 4,
    })  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_parquet(tmp_path / "t.parquet")
    suites = [
        tabular_suite(source, ["good", "late"])
        for source in (frame, tmp_path / "t.csv", tmp_path / "t.parquet")
    ]
    assert len({suite.fingerprint for suite in suites}) == 1
    assert suites[0].inputs.shape == (12, 4)


FRAME = pd.DataFrame({"x": range(10), "y": [0, 1] * 5, "one": [1] * 10, "rare": [1] * 2 + [0] * 7 + [None]})


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        (["Y"], None, "`labels` must name columns of `table`; found `Y`"),
        (["y"], ["xx"], "`features` must name columns of `table`; found `xx`. Did you mean `x`"),
        (["y"], ["x", "y"], "`features` must not name labels, .*; found `y`"),
        (["y"], [], "must have a column that is no label"),
        (list(FRAME), None, "`table` must have a column that is no label"),
        (["one"], None, "Label column `one` of `table` must have .*; found 10 of 1, 0 of 0 and 0 empty"),
        (["rare"], None, "Label column `rare` .* at least 3 rows .*; found 2 of 1, 7 of 0 and 1 empty"),
        (["x"], None, "row 3, column `x`: a label must be 0 or 1"),
    ],
)
def test_what_does_not_fit_is_named(labels: list[str], features: list[str] | None, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tabular_suite(FRAME, labels, features)


def test_a_split_rule_that_leaves_a_class_without_a_split_is_told_by_the_column() -> None:
    with pytest.raises(InvalidInput, match="Task `y` must have at least one example labelled 1"):
        tabular_suite(FRAME, ["y"], ["x"], split_rule=SplitRule(0.6, 0.39))


@pytest.mark.parametrize(
    ("ids", "sentence"),
    [
        (
            ["a", "b", "a", *"defgh"],
            "row 3, column `id`: an id must stand once; found `a`, which row 1 has too.",
        ),
        ([7.0, 1.0, 2.0, 3.0, 7.0, 4.0, 5.0, 6.0], "row 5, .* found `7`, which row 1 has too"),
        (["a", "", *"cdefgh"], "row 2, column `id`: an id must not be empty"),
        ([1.0, None, *map(float, range(2, 8))], "row 2, column `id`: an id must not be empty"),
    ],
)
def test_ids_name_rows_once(ids: list, sentence: str) -> None:
    frame = pd.DataFrame({"id": ids, "size": range(8), "label": [0, 1] * 4})
    with pytest.raises(InvalidInput, match=sentence):
        tabular_suite(frame, ["label"], ids="id")


def test_ids_are_no_features() -> None:
    frame = pd.DataFrame({"id": list("abcdefgh"), "size": range(8), "label": [0, 1] * 4})
    assert tabular_suite(frame, ["label"], ids="id").inputs.shape == (8, 1)
    for changes in ({"features": ["id", "size"]}, {"labels": ["label", "id"]}):
        with pytest.raises(InvalidInput, match="`ids` must name a column that is neither label nor feature"):
            tabular_suite(frame, **{"labels": ["label"], "ids": "id", **changes})
