"""Scores of a real forward pass at the changed parameters, in place of linearised logits (paper, algorithm 1)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor, nn

from gradtag_core.affinity.estimate import EstimationSettings, fit_or_raise
from gradtag_core.affinity.losses import row_loss
from gradtag_core.affinity.row_checks import require_finite_rows, require_tasks
from gradtag_core.affinity.scores import SubsetScores
from gradtag_core.affinity.subsets import Subset
from gradtag_core.config import ScoringMode
from gradtag_core.cost import Cost, Meter, measure
from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.gradients.features import GradientFeatures
from gradtag_core.gradients.parameters import ChosenParameters, ParameterChoice, choose_parameters
from gradtag_core.models.architecture import ModelInputs
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import TaskSuite
from gradtag_core.training.losses import task_columns
from gradtag_core.training.trainer import BaseModel, Trainer, entry_weights

# "linear": logits of the linearised model, no forward pass; "representer": a forward pass at θ* + Σ a_i g_i, where
# the gradients g_i are not projected; "paper": a forward pass at θ* + P w.

SUBSETS_AT_ONCE = 64

Lift = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class LiftedModel:
    """A base model whose chosen parameters are to be changed; `parameters` as the features were made with."""

    suite: TaskSuite
    base: BaseModel
    device: torch.device
    parameters: ParameterChoice = "all"

    @cached_property
    def _model(self) -> nn.Module:
        return self.base.build(self.device)

    @cached_property
    def _inputs(self) -> ModelInputs:
        return self.base.architecture.inputs_of(self.suite)

    @cached_property
    def _chosen(self) -> ChosenParameters:
        return choose_parameters(self._model, self.parameters)

    def score(self, subset: Subset, change: dict[str, Tensor], meter: Meter) -> np.ndarray:
        """Every metric of the subset's tasks on the validation split after the change: (tasks, metrics)."""
        weights = {name: value.clone() for name, value in self.base.weights.items()}
        for name, value in change.items():
            weights[name] += value.to(weights[name])
        trainer = Trainer(self.suite, self.base.architecture, self.device)
        moved = BaseModel(self.base.architecture, weights, self.base.seed, Cost())
        n_examples = len(self.suite.subset("validation", subset).examples)
        meter.flops += n_examples * self.base.architecture.forward_flops(
            self.base.architecture.n_outputs(subset)
        )
        return trainer.score(moved, subset, "validation")

    def change_by_rows(self, subset: Subset, coefficients: np.ndarray, meter: Meter) -> dict[str, Tensor]:
        """Σ a_i g_i by one weighted backward pass; `coefficients` (E, outputs), with examples as `TaskSuite.subset`
        has them."""
        chosen = self._chosen.by_name
        examples = self.suite.subset("train", subset).examples
        total = {name: torch.zeros_like(value) for name, value in chosen.items()}
        architecture = self.base.architecture
        size = architecture.examples_per_pass or architecture.examples_at_once
        for start in range(0, len(examples), size):
            part = slice(start, start + size)
            inputs = self._inputs[torch.from_numpy(examples[part])].to(self.device)
            logits = self._model(inputs, subset)
            weighted = (logits * torch.from_numpy(coefficients[part]).to(logits)).sum()
            found = torch.autograd.grad(weighted, list(chosen.values()), allow_unused=True)
            for name, gradient in zip(chosen, found, strict=True):
                if gradient is not None:
                    total[name] += gradient
        meter.flops += len(examples) * self.base.architecture.step_flops(
            self.base.architecture.n_outputs(subset)
        )
        return total

    def change_by_vector(self, vector: Tensor) -> dict[str, Tensor]:
        """A change (p,) in the order of the chosen parameters, by name."""
        if vector.shape != (self._chosen.size,):
            raise InvalidInput(
                f"`lift` must return one number for each of the {self._chosen.size} chosen parameters; found the shape "
                f"{tuple(vector.shape)}."
            )
        return self._chosen.unflatten(vector)


def lifted_scores(
    model: LiftedModel, train: GradientFeatures, subsets: Sequence[Subset], settings: EstimationSettings,
    mode: ScoringMode, lift: Lift | None = None, reporter: Reporter | None = None,
) -> SubsetScores:  # fmt: skip
    """Regress each subset on the features of the suite's training rows, then score the model it stands for.

    `lift` maps weights (d, K) to parameter changes (K, p), as `Projection.lift` does; only "paper" needs it.
    """
    suite = model.suite
    _require(mode, lift, train, suite)
    require_tasks(subsets, suite.task_names)
    require_finite_rows(train, suite.task_names, "training")
    reporter = reporter or Reporter()
    values = []
    with measure() as meter:
        for start in range(0, len(subsets), SUBSETS_AT_ONCE):
            block = subsets[start : start + SUBSETS_AT_ONCE]
            fits = fit_or_raise(train, block, settings, model.device, reporter)
            meter.flops += fits.flops
            for subset, change in zip(
                block, _changes(model, train, block, fits.weights, settings, lift, meter), strict=True
            ):
                reporter.check()
                values.append(model.score(subset, change, meter))
    return SubsetScores.of_seed(
        suite.task_names, subsets, np.concatenate(values), model.base.seed, "estimated", meter.cost
    )


def row_coefficients(
    suite: TaskSuite, train: GradientFeatures, subset: Subset, weights: Tensor, settings: EstimationSettings
) -> np.ndarray:
    """a_i = -c_i ∂loss_i/∂output / penalty at the solution `weights` (d,), which equals Σ a_i φ_i: (E, outputs)."""
    mask = suite.subset("train", subset).mask
    penalty = settings.l2 * train.gradient_energy
    counts = [train.n_outputs(task) for task in subset]
    coefficients = np.zeros((len(mask), sum(counts)))
    for task, own, columns in zip(subset, mask.T, task_columns(counts), strict=True):
        entries, labels = train.of_task(task), torch.from_numpy(train.rows.label[train.rows.of_task(task)])
        outputs = train.logits[entries].double() + train.projected[entries].double() @ weights.double()
        residuals = row_loss(train.kind(task), train.n_outputs(task)).residuals(outputs, labels)
        coefficients[own, columns] = -residuals.view(len(labels), -1).numpy()
    return coefficients * entry_weights(mask, settings.weighting).repeat(counts, axis=1) / penalty


def _changes(
    model: LiftedModel, train: GradientFeatures, subsets: Sequence[Subset], weights: Tensor,
    settings: EstimationSettings, lift: Lift | None, meter: Meter,
) -> Iterator[dict[str, Tensor]]:  # fmt: skip
    """The parameter changes of the subsets, one after the other."""
    for index, subset in enumerate(subsets):
        if lift:
            vector = lift(weights[:, index : index + 1])[0]
            meter.flops += 2 * len(weights) * len(vector)  # as if P were dense
            yield model.change_by_vector(vector)
        else:
            coefficients = row_coefficients(model.suite, train, subset, weights[:, index], settings)
            yield model.change_by_rows(subset, coefficients, meter)


def _require(mode: ScoringMode, lift: Lift | None, train: GradientFeatures, suite: TaskSuite) -> None:
    if mode not in ("representer", "paper"):
        raise InvalidInput(
            f"`mode` must be {quoted(('representer', 'paper'))} for a forward pass; found `{mode}`."
        )
    if (mode == "paper") != (lift is not None):
        raise InvalidInput(
            f"`lift` must be given for the mode `paper` and for no other; the mode is `{mode}`."
        )
    rows = suite.rows("train")
    if not (np.array_equal(rows.example, train.rows.example) and np.array_equal(rows.task, train.rows.task)):
        raise InvalidInput("`train` must be the features of the suite's training rows, in their order.")
