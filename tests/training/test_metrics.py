import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss, roc_auc_score

from gradtag_core.config import METRICS
from gradtag_core.training.metrics import score_logits, score_outputs

# Few distinct values, so that ties are common.
logits_with_ties = arrays(np.float64, (12, 3), elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0]))
mixed_labels = st.lists(st.sampled_from([0.0, 1.0]), min_size=12, max_size=12).filter(
    lambda x: 0 < sum(x) < 12
)


@given(logits_with_ties, mixed_labels)
def test_equals_scikit_learn_ties_included(logits, labels):
    labels = np.array(labels)
    scores = score_logits(torch.from_numpy(logits), torch.from_numpy(labels)).numpy()
    for column, found in enumerate(scores):
        z = logits[:, column]
        expected = {
            "loss": -log_loss(labels, 1 / (1 + np.exp(-z))),
            "accuracy": accuracy_score(labels, z > 0),
            "f1": f1_score(labels, z > 0) if (z > 0).any() else 0,
            "average_precision": average_precision_score(labels, z),
            "auc": roc_auc_score(labels, z),
        }
        np.testing.assert_allclose(found, [expected[metric] for metric in METRICS], atol=1e-12)


def test_every_metric_is_higher_for_better_logits():
    labels = torch.tensor([1.0, 1.0, 0.0, 0.0])
    good, bad = torch.tensor([3.0, 1.0, -1.0, -2.0]), torch.tensor([-1.0, 1.0, 2.0, -3.0])
    scores = score_logits(torch.stack([good, bad], dim=1), labels)
    assert (scores[0] > scores[1]).all()


def test_permuting_rows_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(50, 4, generator=generator).double(), (torch.arange(50) % 3 == 0).double()
    order = torch.randperm(50, generator=generator)
    torch.testing.assert_close(score_logits(logits[order], labels[order]), score_logits(logits, labels))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_ranking_metrics_ignore_scale(scale):
    logits, labels = (
        torch.linspace(-1, 2, 20, dtype=torch.float64)[:, None],
        (torch.arange(20) % 4 == 0).double(),
    )
    ranking = [METRICS.index("average_precision"), METRICS.index("auc")]
    expected = score_logits(logits, labels)[0, ranking]
    torch.testing.assert_close(score_logits(scale * logits, labels)[0, ranking], expected)


@given(
    arrays(np.float64, (12, 3, 2), elements=st.sampled_from([-2.0, -0.5, 0.0, 0.5, 3.0])),
    st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=12, max_size=12).filter(lambda x: len(set(x)) > 1),
)
def test_scores_of_classes_equal_scikit_learn(outputs, labels):
    labels = np.array(labels)
    scores = score_outputs(torch.from_numpy(outputs), torch.from_numpy(labels), "multiclass").numpy()
    present = np.unique(labels)
    for column, found in enumerate(scores):
        logs = torch.from_numpy(outputs[:, :, column]).log_softmax(1).numpy()
        chosen = outputs[:, :, column].argmax(1)
        against_rest = [((labels == label).astype(int), logs[:, int(label)]) for label in present]
        expected = {
            "loss": -log_loss(labels, np.exp(logs), labels=[0, 1, 2]),
            "accuracy": accuracy_score(labels, chosen),
            "f1": f1_score(labels, chosen, labels=present, average="macro"),
            "average_precision": np.mean([average_precision_score(*each) for each in against_rest]),
            "auc": np.mean([roc_auc_score(*each) for each in against_rest]),
        }
        np.testing.assert_allclose(found, [expected[metric] for metric in METRICS], atol=1e-12)


def test_two_classes_are_the_binary_task_of_their_difference():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(40, 2, 3, generator=generator).double()
    labels = (torch.arange(40) % 3 == 0).double()
    found = score_outputs(outputs, labels, "multiclass")
    expected = score_outputs((outputs[:, 1:] - outputs[:, :1]), labels, "binary")
    same = [METRICS.index(metric) for metric in ("loss", "accuracy", "auc")]
    torch.testing.assert_close(found[:, same], expected[:, same])
    torch.testing.assert_close(expected, score_logits(outputs[:, 1] - outputs[:, 0], labels))


def test_numbering_the_classes_otherwise_changes_nothing():
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(60, 4, 3, generator=generator).double()
    labels, order = torch.arange(60) % 4, torch.tensor([2, 0, 3, 1])
    expected = score_outputs(outputs, labels.double(), "multiclass")
    found = score_outputs(outputs[:, order], order.argsort()[labels].double(), "multiclass")
    torch.testing.assert_close(found, expected)


def test_a_regression_has_a_loss_and_a_concordance_index_alone():
    outputs = torch.tensor([[1.0, 0.0], [2.0, 0.0], [4.0, 0.0]], dtype=torch.float64)[:, None]
    scores = score_outputs(outputs, torch.tensor([1.0, 3.0, 3.0], dtype=torch.float64), "regression")
    found = dict(zip(METRICS, scores.T.tolist(), strict=True))
    assert found["loss"] == pytest.approx([-2 / 3, -19 / 3])
    assert found["auc"] == [1.0, 0.5]
    assert all(np.isnan(found[metric]).all() for metric in ("accuracy", "f1", "average_precision"))
