from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import nn

from gradtag_core.affinity.estimate import EstimationSettings, estimate_scores
from gradtag_core.affinity.lifted import LiftedModel, lifted_scores
from gradtag_core.cost import Cost
from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import Featurizer, GradientFeatures
from gradtag_core.gradients.identity import IdentityProjection
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.multitask import MultitaskModel
from gradtag_core.training.trainer import BaseModel, Trainer
from tests.mixed_suites import mixed_suite

CPU = torch.device("cpu")
SUBSETS = [(0, 1, 2), (3, 1), (2,)]


@dataclass(frozen=True)
class LinearArchitecture(EncoderArchitecture):
    """A linear encoder: with the head left as it is, the logits are linear in the other parameters."""

    def build(self, seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return MultitaskModel(nn.Linear(self.input_shape[0], self.width), self.width, self.outputs)


def setting(suite):
    """The base model, and the exact features of its backbone."""
    architecture = LinearArchitecture("mlp", suite.inputs.shape[1:], 3, suite.n_tasks, suite.outputs)
    base = BaseModel(architecture, architecture.build(0).state_dict(), 0, Cost())
    featurizer = Featurizer(suite, base, IdentityProjection(), CPU, parameters="backbone")
    features = {}
    for split in ("train", "validation"):
        featurizer.fit(suite.rows(split), 0)
        features[split] = featurizer.featurize(suite.rows(split))
    return LiftedModel(suite, base, CPU, "backbone"), features["train"], features["validation"]


def identity(weights):
    return weights.T


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
def test_all_modes_agree_where_the_model_is_linear_in_its_parameters(small_suite, weighting):
    model, train, validation = setting(small_suite)
    settings = EstimationSettings(1e-2, weighting, 1e-9)
    exact = replace(train, projected=train.projected.double())
    linear = estimate_scores(exact, validation, SUBSETS, small_suite.task_names, settings, 0, CPU)
    representer = lifted_scores(model, exact, SUBSETS, settings, "representer")
    paper = lifted_scores(model, exact, SUBSETS, settings, "paper", identity)
    assert np.ptp(linear.values, axis=0).min() > 0
    np.testing.assert_allclose(representer.values, linear.values, atol=2e-6)
    np.testing.assert_allclose(paper.values, linear.values, atol=2e-6)


@pytest.mark.parametrize("weighting", ["rows", "tasks"])
def test_all_modes_agree_for_tasks_of_every_kind(weighting):
    suite = mixed_suite(unlabelled=0.1)
    model, train, validation = setting(suite)
    settings = EstimationSettings(1e-2, weighting, 1e-9)
    exact = replace(train, projected=train.projected.double())
    linear = estimate_scores(exact, validation, SUBSETS, suite.task_names, settings, 0, CPU)
    representer = lifted_scores(model, exact, SUBSETS, settings, "representer")
    paper = lifted_scores(model, exact, SUBSETS, settings, "paper", identity)
    np.testing.assert_allclose(representer.values, linear.values, atol=5e-6)
    np.testing.assert_allclose(paper.values, linear.values, atol=5e-6)


def test_a_large_penalty_gives_the_base_models_own_scores(small_suite):
    model, train, _ = setting(small_suite)
    trainer = Trainer(small_suite, model.base.architecture, CPU)
    own = np.concatenate([trainer.score(model.base, subset, "validation") for subset in SUBSETS])
    settings = EstimationSettings(1e9, "rows")
    representer = lifted_scores(model, train, SUBSETS, settings, "representer")
    paper = lifted_scores(model, train, SUBSETS, settings, "paper", identity)
    for found in (representer, paper):
        np.testing.assert_allclose(found.values, own, atol=1e-6)


def test_the_order_of_subsets_and_of_their_tasks_does_not_matter(small_suite):
    model, train, _ = setting(small_suite)
    exact = replace(train, projected=train.projected.double())
    settings = EstimationSettings(1e-2, "tasks", 1e-9)
    plain = lifted_scores(model, exact, [(0, 1, 2), (1, 3)], settings, "representer").values
    turned = lifted_scores(model, exact, [(3, 1), (2, 1, 0)], settings, "representer").values
    np.testing.assert_allclose(turned, plain[[4, 3, 2, 1, 0]], atol=1e-6)


def test_costs_count_the_passes(small_suite):
    """A forward pass over the validation examples, and for the representer a weighted backward pass over training."""
    model, train, _ = setting(small_suite)
    settings = EstimationSettings(1e-2, "rows")
    paper = lifted_scores(model, train, [(0, 1)], settings, "paper", identity).cost.flops
    representer = lifted_scores(model, train, [(0, 1)], settings, "representer").cost.flops
    architecture = model.base.architecture
    n_train = len(small_suite.subset("train", (0, 1)).examples)
    n_validation = len(small_suite.subset("validation", (0, 1)).examples)
    lifting = 2 * train.projected.shape[1] ** 2
    assert representer - paper == pytest.approx(n_train * architecture.step_flops(2) - lifting)
    assert paper > n_validation * architecture.forward_flops(2)


def test_the_base_model_is_left_as_it_was(small_suite):
    model, train, _ = setting(small_suite)
    before = {name: value.clone() for name, value in model.base.weights.items()}
    lifted_scores(model, train, SUBSETS, EstimationSettings(1e-3, "rows"), "representer")
    for name, value in model.base.weights.items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_modes_and_lifts_that_do_not_fit_are_refused(small_suite):
    model, train, validation = setting(small_suite)
    settings = EstimationSettings(1e-2, "rows")
    with pytest.raises(InvalidInput, match="`mode` must be"):
        lifted_scores(model, train, SUBSETS, settings, "linear")
    with pytest.raises(InvalidInput, match="`lift` must be given for the mode `paper`"):
        lifted_scores(model, train, SUBSETS, settings, "paper")
    with pytest.raises(InvalidInput, match="one number for each of the 21 chosen parameters"):
        lifted_scores(model, train, SUBSETS, settings, "paper", lambda weights: weights.T[:, :5])
    with pytest.raises(InvalidInput, match="the suite's training rows"):
        lifted_scores(model, validation, SUBSETS, settings, "representer")


def test_features_that_are_not_finite_are_refused(small_suite):
    model, train, _ = setting(small_suite)
    projected = train.projected.clone()
    projected[0, 0] = float("nan")
    broken = GradientFeatures(train.rows, train.logits, projected, 1.0, Cost())
    with pytest.raises(InvalidInput, match="of the training rows, 1 are not, of `first`"):
        lifted_scores(model, broken, SUBSETS, EstimationSettings(1e-2, "rows"), "representer")
