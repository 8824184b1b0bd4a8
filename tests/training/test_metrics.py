import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, log_loss, roc_auc_score

from gradtag_core.config import METRICS
from gradtag_core.training.metrics import score_logits

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
