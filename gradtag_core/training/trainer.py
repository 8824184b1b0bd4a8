"""Training on any subset of tasks: the function f(S, .) of the paper (section 2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from gradtag_core.config import Weighting
from gradtag_core.cost import Cost, measure
from gradtag_core.models.architecture import Architecture
from gradtag_core.models.multitask import MultitaskModel
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split, TaskSuite
from gradtag_core.training.metrics import score_logits


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; Adam with a constant step size."""

    epochs: int
    learning_rate: float
    batch_size: int
    weighting: Weighting


@dataclass(frozen=True)
class BaseModel:
    """A trained model: its architecture, its weights by parameter name, its seed and what it cost."""

    architecture: Architecture
    weights: dict[str, Tensor]
    seed: int
    cost: Cost

    def build(self, device: torch.device) -> MultitaskModel:
        """The model in evaluation mode, on a device."""
        model = self.architecture.build(self.seed)
        model.load_state_dict(self.weights)
        return model.to(device).eval()


class Trainer:
    """Trains models of one architecture on subsets of one suite, and scores them."""

    def __init__(self, suite: TaskSuite, architecture: Architecture, device: torch.device):
        self.suite = suite
        self.architecture = architecture
        self.device = device
        self._inputs = torch.from_numpy(suite.inputs).to(device)

    def fit(
        self, tasks: Sequence[int], recipe: Recipe, seed: int,
        initial: BaseModel | None = None, reporter: Reporter | None = None,
    ) -> BaseModel:  # fmt: skip
        """Train on the union of the tasks' training data, from a fresh start or from `initial`.

        One seed gives one initialisation, whatever the subset, and one order of batches.
        """
        reporter = reporter or Reporter()
        data = self.suite.subset("train", tasks)
        examples, labels = torch.from_numpy(data.examples), torch.from_numpy(data.labels).to(self.device)
        weights = torch.from_numpy(entry_weights(data.mask, recipe.weighting)).to(self.device)
        model = initial.build(self.device) if initial else self.architecture.build(seed).to(self.device)
        model.train()
        # Outside the measurement: the first optimiser of a process imports for seconds, which is no rate of training.
        optimiser = torch.optim.Adam(model.parameters(), lr=recipe.learning_rate, fused=True)
        generator = torch.Generator().manual_seed(seed)
        with measure() as meter:
            for _ in range(recipe.epochs):
                reporter.check()
                for batch in torch.randperm(len(examples), generator=generator).split(recipe.batch_size):
                    optimiser.zero_grad(set_to_none=True)
                    logits = model(self._inputs[examples[batch]], tasks)
                    loss = _weighted_loss(logits, labels[batch], weights[batch]) * (
                        len(examples) / len(batch)
                    )
                    loss.backward()
                    optimiser.step()
            meter.flops = recipe.epochs * len(examples) * self.architecture.step_flops(len(tasks))
        weights_now = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
        return BaseModel(self.architecture, weights_now, seed, meter.cost)

    def score(self, model: BaseModel, tasks: Sequence[int], split: Split) -> np.ndarray:
        """Every metric of each task on a split: (tasks, metrics)."""
        network = model.build(self.device)
        data = self.suite.subset(split, tasks)
        with torch.no_grad():
            parts = torch.from_numpy(data.examples).split(8192)
            logits = torch.cat([network(self._inputs[part], tasks) for part in parts])
        labels = torch.from_numpy(data.labels).to(self.device)
        scores = [
            score_logits(logits[rows, column, None].double(), labels[rows, column].double())
            for column, rows in enumerate(torch.from_numpy(data.mask.T).to(self.device))
        ]
        return torch.cat(scores).cpu().numpy()


def entry_weights(mask: np.ndarray, weighting: Weighting) -> np.ndarray:
    """The weight of each (example, task) entry in the loss of a subset; they sum to one.

    `mask` (E, s) marks the entries that train. "rows": all entries equal; "tasks": all tasks equal.
    """
    if weighting == "rows":
        return (mask / mask.sum()).astype(np.float32)
    return (mask / (mask.sum(0) * mask.shape[1])).astype(np.float32)


def _weighted_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, labels, weight=weights, reduction="sum")
