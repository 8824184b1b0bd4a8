"""Forward and backward selection of groups by models really trained, or by gradient estimates (Grad-TAG, appendix C.1.2
and remark 4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import comb
from typing import Literal

import numpy as np

from gradtag_core.affinity.additive import fit_additive
from gradtag_core.affinity.estimate import FeaturePair
from gradtag_core.affinity.subsets import Subset, random_subsets
from gradtag_core.config import METRICS
from gradtag_core.cost import Cost, Meter, measure
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.grouping.stepwise import (
    ScoredGroups,
    Scorer,
    StepwiseGroups,
    backward_selection,
    forward_selection,
)
from gradtag_core.methods.grad_tag import base_models, estimate, gradient_features, method_config
from gradtag_core.methods.protocol import MethodResult, Setting
from gradtag_core.methods.searched import SMALLEST_SAMPLE, train_subsets, training_flops
from gradtag_core.methods.trained_groups import train_groups
from gradtag_core.tasks.suite import Rows
from gradtag_core.training.stacked import fit_many, score_many

Direction = Literal["forward", "backward"]
LARGEST_SAMPLE = 4000  # subsets
MEASURED_SUBSETS = 50  # how many to look at for the mean cost of a training


class TrainedScorer:
    """Trains a model on each group that is asked for, side by side, and gives its validation scores; each costs."""

    def __init__(self, setting: Setting, meter: Meter):
        self._setting, self._meter = setting, meter
        self._column = METRICS.index(setting.metric)

    def __call__(self, groups: Sequence[Subset]) -> list[Mapping[int, float]]:
        setting = self._setting
        work = [(group, setting.search_seed) for group in groups]
        found: dict[int, np.ndarray] = {}
        for stack in fit_many(setting.trainer, work, setting.recipe, setting.reporter):
            asked = [groups[place] for place in stack]
            scores = score_many(setting.trainer, list(stack.values()), asked, "validation")
            found |= zip(stack, scores, strict=True)
        self._meter.flops += sum(training_flops(setting, group) for group in groups)
        return [_by_task(group, found[place][:, self._column]) for place, group in enumerate(groups)]


class SampleScorer:
    """Stands in for `TrainedScorer` where the search is too dear: an additive model of really trained random subsets.

    `flops`: what training the groups that were asked for would cost.
    """

    def __init__(self, setting: Setting, n_sample: int, meter: Meter):
        self._setting, n_tasks = setting, setting.suite.n_tasks
        subsets = random_subsets(n_tasks, _typical_size(setting), n_sample, setting.search_seed)
        trained = train_subsets(setting, subsets, "Training a sample of subsets", meter)
        self._fit = fit_additive(trained, setting.metric, {})
        self.flops, self.sample_cost = 0.0, trained.cost
        self.sample = (
            f"Groups were scored by an additive model of {len(subsets):,} trained subsets of {_typical_size(setting)} "
            "tasks; the cost is that of training every group that the selection asked for."
        )

    def __call__(self, groups: Sequence[Subset]) -> list[Mapping[int, float]]:
        self.flops += sum(training_flops(self._setting, group) for group in groups)
        return _split(groups, self._fit.predict(groups))


def run(setting: Setting, direction: Direction, estimated: bool = False) -> MethodResult:
    """`estimated`: by the linearised scores of one base model in place of real trainings."""
    method = f"{direction}_selection" + ("_estimated" if estimated else "")
    extra, sentence = Cost(), None
    with measure() as meter:
        if estimated:
            selected = _select(setting, direction, gradient_scorer(setting, meter))
        else:
            n_sample = sample_size(setting, direction)
            if n_sample is None:
                selected = _select(setting, direction, TrainedScorer(setting, meter))
            else:
                spent = meter.flops
                scorer = SampleScorer(setting, n_sample, meter)
                selected = _select(setting, direction, scorer)
                pace = scorer.sample_cost.seconds / scorer.sample_cost.flops
                missing = scorer.flops - (meter.flops - spent)
                extra = Cost(missing, pace * missing)
                sentence = scorer.sample
        trained = train_groups(setting, selected.groups, meter)
    return trained.result(setting, method, meter.cost + extra, sentence)


def gradient_scorer(setting: Setting, meter: Meter) -> Scorer:
    """Scores groups by the linearised model at one base model, all that are asked for at once (remark 4.3)."""
    config = method_config(setting, None, 1)
    (base,) = base_models(setting, config, meter)
    pair = gradient_features(setting, config, base, meter)

    def score(groups: Sequence[Subset]) -> list[Mapping[int, float]]:
        tasks = np.unique(np.concatenate(groups))
        own = FeaturePair(_rows_of(pair.train, tasks), _rows_of(pair.validation, tasks))
        scores = estimate(setting, config, [own], list(groups), meter)
        return _split(groups, scores.of(setting.metric))

    return score


def _split(groups: Sequence[Subset], scores: np.ndarray) -> list[Mapping[int, float]]:
    """Scores listed group after group, by task."""
    ends = np.cumsum([len(group) for group in groups])
    return [_by_task(group, own) for group, own in zip(groups, np.split(scores, ends[:-1]), strict=True)]


def _by_task(group: Subset, scores: np.ndarray) -> dict[int, float]:
    return dict(zip(group, scores.tolist(), strict=True))


def _rows_of(features: GradientFeatures, tasks: np.ndarray) -> GradientFeatures:
    """The rows of some tasks: those of others would only cost time."""
    rows = features.rows
    keep = np.isin(rows.task, tasks)
    kept = Rows(rows.example[keep], rows.task[keep], rows.label[keep])
    entries = np.flatnonzero(keep[features.entry_rows])
    return replace(
        features, rows=kept, logits=features.logits[entries], projected=features.projected[entries]
    )


def sample_size(setting: Setting, direction: Direction) -> int | None:
    """How many trainings `search_flops` pays for where the selection asks for more of them; None where it does not.

    What it asks for is found by a selection on random additive scores.
    """
    if setting.search_flops is None:
        return None
    try:
        _select(setting, direction, _Forecast(setting, setting.search_flops))
    except _TooDear:
        n_tasks, size = setting.suite.n_tasks, _typical_size(setting)
        drawn = random_subsets(n_tasks, size, min(comb(n_tasks, size), LARGEST_SAMPLE), setting.search_seed)
        one = float(np.mean([training_flops(setting, subset) for subset in drawn[:MEASURED_SUBSETS]]))
        return min(len(drawn), max(int(setting.search_flops / one), SMALLEST_SAMPLE * n_tasks))
    return None


class _TooDear(Exception):
    """A selection asks for more training than is paid for."""


class _Forecast:
    """Random additive scores; raises `_TooDear` once training the groups asked for would cost more than `limit`."""

    def __init__(self, setting: Setting, limit: float):
        n_tasks = setting.suite.n_tasks
        self._setting, self._left = setting, limit
        self._effects = np.random.default_rng(setting.search_seed).standard_normal((n_tasks, n_tasks))

    def __call__(self, groups: Sequence[Subset]) -> list[Mapping[int, float]]:
        self._left -= sum(training_flops(self._setting, group) for group in groups)
        if self._left < 0:
            raise _TooDear
        return [_by_task(group, self._effects[np.ix_(group, group)].sum(1)) for group in groups]


def _select(setting: Setting, direction: Direction, scorer: Scorer) -> StepwiseGroups:
    scored = ScoredGroups(scorer, setting.suite.n_tasks)
    select = forward_selection if direction == "forward" else backward_selection
    return select(scored, setting.n_groups, seed=setting.search_seed, reporter=setting.reporter)


def _typical_size(setting: Setting) -> int:
    """Of the groups; one task less than all, so that subsets differ and say what each task adds."""
    n_tasks = setting.suite.n_tasks
    return min(n_tasks - 1, max(2, round(n_tasks / setting.n_groups)))
