"""Scores of tasks of every kind, many columns of predictions at once; higher is better for each."""

import torch
from jaxtyping import Float
from torch import Tensor

from gradtag_core.config import METRICS
from gradtag_core.tasks.suite import TaskKind
from gradtag_core.training.concordance import concordance_index


def score_outputs(
    outputs: Float[Tensor, "rows outputs columns"], labels: Float[Tensor, "rows"], kind: TaskKind
) -> Float[Tensor, "columns metrics"]:
    """Every metric of `config.METRICS`, in that order, of each column of outputs against the same labels.

    A multiclass task is scored by cross-entropy and accuracy, and by the means over the classes among the labels, each
    against the rest by its softmax probability, of F1, average precision and AUC. A regression is scored by the squared
    error as its loss and by the concordance index as its AUC; the others are NaN.
    """
    if kind == "binary":
        return score_logits(outputs[:, 0], labels)
    if kind == "multiclass":
        return _score_classes(outputs, labels.long())
    predictions = outputs[:, 0]
    scores = torch.full((predictions.shape[1], len(METRICS)), torch.nan).to(predictions)
    scores[:, METRICS.index("loss")] = -(predictions - labels[:, None]).square().mean(0)
    scores[:, METRICS.index("auc")] = concordance_index(predictions, labels)
    return scores


def score_logits(
    logits: Float[Tensor, "rows columns"], labels: Float[Tensor, "rows"]
) -> Float[Tensor, "columns metrics"]:
    """Every metric of `config.METRICS`, in that order, of each column against the same labels.

    Labels are 0 or 1 and hold both. F1 and accuracy cut at a logit of zero; F1 is that of the positive class;
    average precision and AUC treat equal logits as scikit-learn does.
    """
    positive = labels[:, None]
    scores = {
        "loss": -torch.nn.functional.binary_cross_entropy_with_logits(
            logits, positive.expand_as(logits), reduction="none"
        ).mean(0),
        "accuracy": ((logits > 0) == (positive > 0.5)).to(logits.dtype).mean(0),
        "f1": _f1((logits > 0).to(logits.dtype), positive),
        **_ranking_scores(logits, labels),
    }
    return torch.stack([scores[metric] for metric in METRICS], dim=-1)


def _score_classes(
    outputs: Float[Tensor, "rows classes columns"], labels: Tensor
) -> Float[Tensor, "columns metrics"]:
    logs, chosen = outputs.log_softmax(1), outputs.argmax(1)
    right = logs.gather(1, labels[:, None, None].expand(-1, 1, logs.shape[2]))
    scores = {
        "loss": right[:, 0].mean(0),
        "accuracy": (chosen == labels[:, None]).to(logs.dtype).mean(0),
    }
    against_rest = []
    for label in labels.unique():
        own = (labels == label).to(logs.dtype)
        ranking = _ranking_scores(logs[:, label], own)
        against_rest.append({"f1": _f1((chosen == label).to(logs.dtype), own[:, None]), **ranking})
    for metric in against_rest[0]:
        scores[metric] = torch.stack([each[metric] for each in against_rest]).mean(0)
    return torch.stack([scores[metric] for metric in METRICS], dim=-1)


def _f1(predicted: Tensor, positive: Tensor) -> Tensor:
    true_positives = (predicted * positive).sum(0)
    return 2 * true_positives / (predicted.sum(0) + positive.sum())


def _ranking_scores(logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
    ranked, order = logits.sort(dim=0, descending=True)
    is_positive = labels[order]
    first, last = _tie_groups(ranked)
    true_positives = is_positive.cumsum(0)
    false_positives = (1 - is_positive).cumsum(0)
    n_positive, n_negative = labels.sum(), (1 - labels).sum()

    precision = true_positives.gather(0, last) / (last + 1)
    before = torch.where(first > 0, false_positives.gather(0, (first - 1).clamp(min=0)), 0.0)
    negatives_below = n_negative - (before + false_positives.gather(0, last)) / 2
    return {
        "average_precision": (precision * is_positive).sum(0) / n_positive,
        "auc": (negatives_below * is_positive).sum(0) / (n_positive * n_negative),
    }


def _tie_groups(ranked: Tensor) -> tuple[Tensor, Tensor]:
    """For each position of each sorted column, the first and the last position that hold an equal value."""
    n_rows = len(ranked)
    position = torch.arange(n_rows, device=ranked.device)[:, None].expand_as(ranked)
    changes = ranked[1:] != ranked[:-1]
    edge = torch.ones_like(changes[:1])
    starts = torch.where(torch.cat([edge, changes]), position, 0)
    ends = torch.where(torch.cat([changes, edge]), position, n_rows)
    return starts.cummax(0).values, ends.flip(0).cummin(0).values.flip(0)
