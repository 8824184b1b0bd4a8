"""Training one model on all tasks step by step, so that a method can weigh or probe the steps."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from math import ceil
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.config import METRICS
from gradtag_core.methods.protocol import Setting
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.tasks.suite import Split, TaskKind
from gradtag_core.training.losses import entry_losses, task_columns
from gradtag_core.training.metrics import score_outputs
from gradtag_core.training.trainer import entry_weights

SCORED_AT_ONCE = 8192

Choice = TypeVar("Choice")


class Batch(NamedTuple):
    """`inputs` (B, ...), `labels` and `weights` (B, n); the weights carry the share that the batch is of an epoch.
    `kinds`, `outputs`: of each task."""

    inputs: Tensor
    labels: Tensor
    weights: Tensor
    kinds: Sequence[TaskKind]
    outputs: Sequence[int]


class JointData:
    """The training examples of all tasks, in the batches of `Trainer.fit`."""

    def __init__(self, setting: Setting):
        data = setting.suite.subset("train", setting.everything)
        self.n_examples = len(data.examples)
        self.n_steps = setting.recipe.epochs * ceil(self.n_examples / setting.recipe.batch_size)
        self._recipe, self._reporter = setting.recipe, setting.reporter
        self._inputs, self._device = setting.trainer.inputs, setting.device
        self._examples = torch.from_numpy(data.examples)
        self._tasks = (setting.suite.kinds, setting.architecture.outputs)
        self._labels = torch.from_numpy(data.labels).to(setting.device)
        weights = entry_weights(data.mask, setting.recipe.weighting)
        self._weights = torch.from_numpy(weights).to(setting.device)

    def batches(self, seed: int) -> Iterator[Batch]:
        """All batches of a training; a seed gives the order that `Trainer.fit` has."""
        generator = torch.Generator().manual_seed(seed)
        for _ in range(self._recipe.epochs):
            for part in torch.randperm(self.n_examples, generator=generator).split(self._recipe.batch_size):
                self._reporter.check()
                own = part.to(self._device)
                weights = self._weights[own] * (self.n_examples / len(own))
                inputs = self._inputs[self._examples[part]].to(self._device)
                yield Batch(inputs, self._labels[own], weights, *self._tasks)


class JointTraining:
    """Naive multitask training that can be looked at before each step."""

    def __init__(self, setting: Setting, seed: int):
        self.data = JointData(setting)
        self.model = setting.architecture.build(seed).to(setting.device).train()
        self.optimiser = adam(setting, self.model)
        self._seed = seed
        self._step_flops = setting.architecture.step_flops(sum(setting.architecture.outputs))
        self.flops = 0.0

    def batches(self) -> Iterator[Batch]:
        """Each batch before the step that it makes; `flops` count the steps made."""
        for batch in self.data.batches(self._seed):
            yield batch
            self.optimiser.zero_grad(set_to_none=True)
            task_losses(self.model(batch.inputs), batch).sum().backward()
            self.optimiser.step()
            self.flops += len(batch.inputs) * self._step_flops


def adam(setting: Setting, network: nn.Module) -> torch.optim.Adam:
    """The optimiser of `Trainer.fit`."""
    return torch.optim.Adam(network.parameters(), lr=setting.recipe.learning_rate, fused=True)


def task_losses(outputs: Float[Tensor, "batch outputs"], batch: Batch) -> Float[Tensor, "tasks"]:
    """Each task's part of the loss of the batch; their sum is the loss of `Trainer.fit`."""
    return (entry_losses(outputs, batch.labels, batch.kinds, batch.outputs) * batch.weights).sum(0)


def gradients(losses: Float[Tensor, "tasks"], parameters: Sequence[Tensor]) -> Float[Tensor, "tasks size"]:
    """The gradient of each loss at the parameters, flattened into one row; keeps the graph."""
    each = torch.eye(len(losses), device=losses.device, dtype=losses.dtype)
    rows = torch.autograd.grad(losses, parameters, each, retain_graph=True, is_grads_batched=True)
    return torch.cat([row.flatten(1) for row in rows], 1)


def gradients_flops(architecture: EncoderArchitecture) -> float:
    """One example's forward pass, and a backward pass per task, through its own head, for the shared parameters."""
    forward, shared = architecture.forward_flops(sum(architecture.outputs)), architecture.forward_flops(0)
    back_through_heads = forward - shared
    return forward + back_through_heads + architecture.n_tasks * (shared + architecture.backward_flops(0))


def score_network(
    forward: Callable[[Tensor], Tensor], setting: Setting, split: Split
) -> Float[np.ndarray, "tasks metrics"]:
    """Every metric of each task on a split, for a network that gives the outputs of all tasks."""
    data = setting.suite.subset(split, setting.everything)
    inputs, parts = setting.trainer.inputs, torch.from_numpy(data.examples).split(SCORED_AT_ONCE)
    with torch.no_grad():
        outputs = torch.cat([forward(inputs[part].to(setting.device)).cpu() for part in parts])
    labels = torch.from_numpy(data.labels).double()
    places = task_columns(setting.architecture.outputs)
    return torch.cat([
        score_outputs(outputs[rows, columns, None].double(), labels[rows, task], setting.suite.kinds[task])
        for task, (rows, columns) in enumerate(zip(torch.from_numpy(data.mask.T), places, strict=True))
    ]).numpy()  # fmt: skip


def best_on_validation(setting: Setting, networks: Mapping[Choice, Callable[[Tensor], Tensor]]) -> Choice:
    """The choice whose network has the best mean score; the first of equals."""
    column = METRICS.index(setting.metric)
    scores = {
        choice: float(score_network(network, setting, "validation")[:, column].mean())
        for choice, network in networks.items()
    }
    return max(scores, key=lambda choice: scores[choice])


def n_validation_examples(setting: Setting) -> int:
    """How many examples a network reads to be scored on all tasks."""
    return len(setting.suite.subset("validation", setting.everything).examples)
