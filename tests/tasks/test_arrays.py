import numpy as np
import pandas as pd
import pytest
import torch

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.arrays import suite_of
from gradtag_core.tasks.suite import SplitRule

N = 30
GENERATOR = np.random.default_rng(0)
INPUTS = GENERATOR.normal(size=(N, 4))
LABELS = np.tile([[0, 1], [1, 0], [1, 1]], (N // 3, 1))


def test_the_same_data_in_any_form_is_the_same_suite():
    frame = pd.DataFrame(LABELS, columns=["task-1", "task-2"])
    forms = [
        suite_of(INPUTS, LABELS),
        suite_of(INPUTS.astype(np.float32), LABELS.astype(bool)),
        suite_of(torch.from_numpy(INPUTS), torch.from_numpy(LABELS)),
        suite_of(INPUTS.tolist(), LABELS.tolist()),
        suite_of(pd.DataFrame(INPUTS), frame),
        suite_of(INPUTS, frame.astype("Int64")),
        suite_of(INPUTS, LABELS, ["task-1", "task-2"], "own", "binary"),
    ]
    assert len({suite.fingerprint for suite in forms}) == 1
    assert forms[0].modality == "table" and forms[0].labels.dtype == np.int8
    np.testing.assert_array_equal(forms[0].labels, LABELS)


def test_the_seed_draws_the_order_and_names_come_from_columns():
    frame = pd.DataFrame(LABELS, columns=["fever", "cough"])
    first, again, other = (suite_of(INPUTS, frame, seed=seed) for seed in (1, 1, 2))
    assert first.task_names == ("fever", "cough")
    assert first.fingerprint == again.fingerprint
    assert not np.array_equal(first.order, other.order)
    rule = SplitRule(0.3, 0.3)
    assert suite_of(INPUTS, frame, split_rule=rule).split_rule == rule


@pytest.mark.parametrize("missing", [-1, np.nan, None])
def test_what_is_not_known_is_left_out(missing):
    labels = pd.DataFrame(LABELS.astype(object))
    labels.iloc[0, 0] = missing
    suite = suite_of(INPUTS, labels if missing is None else labels.to_numpy(float))
    assert not suite.labelled[0, 0]
    assert suite.labelled.sum() == 2 * N - 1
    assert all(0 not in suite.indices(split, 0) for split in ("train", "validation", "test"))


def test_kinds():
    labels = np.stack([LABELS[:, 0], np.arange(N) % 3, 5 + 2 * INPUTS[:, 0]], axis=1)
    labels[4] = (-1, -1, np.nan)
    suite = suite_of(INPUTS, labels, kinds=("binary", "multiclass", "regression"))
    assert suite.outputs == (1, 3, 1)
    assert suite.labels.dtype == np.float32
    np.testing.assert_array_equal(suite.labelled.sum(0), [N - 1] * 3)
    known = suite.labels[suite.labelled[:, 2], 2]
    np.testing.assert_allclose([known.mean(), known.std()], [0, 1], atol=1e-6)
    assert np.corrcoef(known, np.delete(INPUTS[:, 0], 4))[0, 1] == pytest.approx(1)
    assert suite_of(INPUTS, labels[:, 1:2], kinds="multiclass").classes == (3,)


def test_texts_and_images():
    texts = [f"text {number}" for number in range(N)]
    for form in (texts, np.array(texts), np.array(texts, dtype=object), pd.Series(texts)):
        suite = suite_of(form, LABELS)
        assert suite.modality == "text" and suite.inputs.tolist() == texts
    assert suite_of(np.zeros((N, 1, 5, 5), np.uint8), LABELS).modality == "image"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": LABELS + 1}, r"`labels` of the binary task `task-1` must be 0, 1, .* found 2.*`kinds`"),
        ({"labels": LABELS[:, 0]}, r"`labels` must be .* a column per task; found int64 of shape \(30,\)"),
        ({"labels": np.full((N, 2), "yes")}, "`labels` must be numbers or truth values"),
        ({"labels": pd.DataFrame({"a": ["yes"] * N})}, r"`labels` must be numbers .*'yes'"),
        ({"labels": LABELS[1:]}, "`inputs` must have one row for each of the 29 rows"),
        ({"labels": LABELS * 0.0 + [np.inf, 1], "kinds": "regression"}, "must be finite"),
        ({"labels": LABELS * 0 + 3, "kinds": "regression"}, "must be different numbers"),
        ({"kinds": ("binary",)}, "an entry for each of the 2 columns"),
        ({"kinds": "ordinal"}, "one of `binary`, `multiclass`, `regression`"),
        ({"task_names": ("a",)}, "found 1 names"),
        ({"task_names": ("a", "a")}, "`task_names` must be 2 different names"),
        ({"name": "My data"}, "`name` must have 1 to 32 lower-case letters"),
        ({"inputs": [[1, 2], [3]] * 15}, "`inputs` must have rows of one length"),
        ({"inputs": np.array([{}] * N)}, "`inputs` must be numbers, or one text per example; found object"),
        ({"inputs": np.where(INPUTS > 1, np.nan, INPUTS)}, "`inputs` must be finite"),
        ({"inputs": np.zeros(N)}, "`inputs` must be texts"),
    ],
)
def test_what_does_not_fit_is_told(changes, message):
    with pytest.raises(InvalidInput, match=message):
        suite_of(**{"inputs": INPUTS, "labels": LABELS, **changes})
