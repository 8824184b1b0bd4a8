"""Training on any subset of tasks: the function f(S, .) of the paper (section 2)."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from gradtag_core.config import Weighting
from gradtag_core.cost import Cost, measure
from gradtag_core.errors import GradTagError, quoted
from gradtag_core.models.architecture import Architecture, ModelInputs, spent_flops
from gradtag_core.models.device import moved
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import Split, TaskKind, TaskSuite
from gradtag_core.training.losses import entry_losses, task_columns
from gradtag_core.training.metrics import score_outputs


@dataclass(frozen=True)
class Recipe:
    """How a model is trained; Adam with a constant step size."""

    epochs: int
    learning_rate: float
    batch_size: int
    weighting: Weighting


@dataclass(frozen=True)
class BaseModel:
    """A trained model: its architecture, its weights by name (of what was trained; the frozen ones come with the
    architecture), its seed and what it cost."""

    architecture: Architecture
    weights: dict[str, Tensor]
    seed: int
    cost: Cost

    def build(self, device: torch.device) -> nn.Module:
        """The model in evaluation mode, on a device."""
        model = self.architecture.build(self.seed)
        missing, unknown = model.load_state_dict(self.weights, strict=False)
        lacking = set(missing) - _frozen_names(model)
        if lacking or unknown:
            raise GradTagError(
                f"The weights do not fit the architecture: {quoted(tuple(sorted(lacking)) + tuple(unknown))} are "
                "missing or unknown. Train the base model again."
            )
        return moved(model, device).eval()


class Trainer:
    """Trains models of one architecture on subsets of one suite, and scores them."""

    def __init__(self, suite: TaskSuite, architecture: Architecture, device: torch.device):
        self.suite = suite
        self.architecture = architecture
        self.device = device
        inputs = architecture.inputs_of(suite)
        # What is prepared example by example stays where it is; a tensor goes to the device at once.
        self.inputs: ModelInputs = inputs.to(device) if isinstance(inputs, Tensor) else inputs

    @property
    def stackable(self) -> bool:
        """Whether many models train side by side (`training.stacked`), whose loss is that of binary tasks."""
        return self.architecture.stackable and self.suite.all_binary

    def fit(
        self, tasks: Sequence[int], recipe: Recipe, seed: int,
        initial: BaseModel | None = None, reporter: Reporter | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> BaseModel:  # fmt: skip
        """Train on the union of the tasks' training data, from a fresh start or from `initial`.

        One seed gives one initialisation, whatever the subset, and one order of batches. `advance` hears of each step.
        """
        reporter = reporter or Reporter()
        data = self.suite.subset("train", tasks)
        examples, labels = torch.from_numpy(data.examples), torch.from_numpy(data.labels).to(self.device)
        weights = torch.from_numpy(entry_weights(data.mask, recipe.weighting)).to(self.device)
        model = initial.build(self.device) if initial else moved(self.architecture.build(seed), self.device)
        model.train()
        # Outside the measurement: the first optimiser of a process imports for seconds, which is no rate of training.
        optimiser = torch.optim.Adam(trained_parameters(model), lr=recipe.learning_rate, fused=True)
        kinds, counts = self._kinds(tasks)
        generator = torch.Generator().manual_seed(seed)
        before = spent_flops(self.inputs)
        with measure() as meter, _seeded_dropout(model, seed, self.device):
            for _ in range(recipe.epochs):
                reporter.check()
                for batch in torch.randperm(len(examples), generator=generator).split(recipe.batch_size):
                    optimiser.zero_grad(set_to_none=True)
                    outputs = model(self.inputs[examples[batch]].to(self.device), tasks)
                    losses = entry_losses(outputs, labels[batch], kinds, counts)
                    ((losses * weights[batch]).sum() * (len(examples) / len(batch))).backward()
                    optimiser.step()
                    if advance:
                        advance(1)
            n_heads = self.architecture.n_outputs(tasks)
            meter.flops = recipe.epochs * len(examples) * self.architecture.step_flops(n_heads)
            meter.flops += spent_flops(self.inputs) - before
        return BaseModel(self.architecture, trained_state(model), seed, meter.cost)

    def score(self, model: BaseModel, tasks: Sequence[int], split: Split) -> np.ndarray:
        """Every metric of each task on a split: (tasks, metrics)."""
        network = model.build(self.device)
        data = self.suite.subset(split, tasks)
        outputs = self.predict(network, data.examples, tasks).double()
        labels = torch.from_numpy(data.labels).to(self.device).double()
        kinds, counts = self._kinds(tasks)
        scores = [
            score_outputs(outputs[rows, own, None], labels[rows, column], kind)
            for column, (rows, own, kind) in enumerate(
                zip(torch.from_numpy(data.mask.T).to(self.device), task_columns(counts), kinds, strict=True)
            )
        ]
        return torch.cat(scores).cpu().numpy()

    def predict(self, network: nn.Module, examples: np.ndarray, tasks: Sequence[int]) -> Tensor:
        """The outputs of some tasks for some examples, without gradients: (examples, outputs), on the device."""
        with torch.no_grad():
            parts = torch.from_numpy(examples).split(self.architecture.scored_at_once)
            return torch.cat([network(self.inputs[part].to(self.device), tasks) for part in parts])

    def _kinds(self, tasks: Sequence[int]) -> tuple[list[TaskKind], list[int]]:
        """The kind and the number of outputs of each of the tasks."""
        return [self.suite.kinds[task] for task in tasks], [self.architecture.outputs[task] for task in tasks]


def trained_parameters(model: nn.Module) -> list[nn.Parameter]:
    """Those that training changes."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def trained_state(model: nn.Module) -> dict[str, Tensor]:
    """What training leaves behind: the state without parameters that are frozen, on the CPU."""
    frozen = _frozen_names(model)
    return {name: value.detach().cpu() for name, value in model.state_dict().items() if name not in frozen}


def _frozen_names(model: nn.Module) -> set[str]:
    """Of the parameters that training leaves alone, with every name that one goes by."""
    named = model.named_parameters(remove_duplicate=False)
    return {name for name, value in named if not value.requires_grad}


@contextmanager
def _seeded_dropout(model: nn.Module, seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's own generator: seeded where a model has it, and left as it was."""
    if not any(isinstance(layer, _DropoutNd) and layer.p > 0 for layer in model.modules()):
        yield
        return
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def entry_weights(mask: np.ndarray, weighting: Weighting) -> np.ndarray:
    """The weight of each (example, task) entry in the loss of a subset; they sum to one.

    `mask` (E, s) marks the entries that train. "rows": all entries equal; "tasks": all tasks equal.
    """
    if weighting == "rows":
        return (mask / mask.sum()).astype(np.float32)
    return (mask / (mask.sum(0) * mask.shape[1])).astype(np.float32)
