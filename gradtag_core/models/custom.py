"""A model of the user's own: any module, behind what the rest asks of an architecture, with what it costs measured."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import prod
from typing import Any, TypeGuard

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gradtag_core.config import RunConfig
from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import Architecture, Layer, ModelInputs
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.measured import Measured, measure_module
from gradtag_core.tasks.suite import TaskSuite

LARGEST_STAND_IN = 4096  # numbers of an example that a perceptron stands in for a model on
LONGEST_NAME = 100
PROBED = 3  # examples that a model is tried on
HASHED = 256  # examples that tell inputs from others

Build = Callable[[int], nn.Module]
SmallBuild = Callable[[int, int], nn.Module]  # of the number of outputs and the width


def own_model(
    build: Build, name: str, suite: TaskSuite, *, inputs: Any = None, width: int | None = None,
    small: SmallBuild | None = None,
) -> OwnModel:  # fmt: skip
    """Any module as the model of a run on `suite`, for `gradtag_core.run(config, suite=suite, model=...)`.

    `build(n_outputs)` makes a new module that maps inputs (B, ...) to (B, n_outputs), float32: the outputs of all
    tasks side by side (`suite.outputs`). It draws its weights from torch's generator, and treats each row alone except
    by batch norms. Parameters that need no gradient stay as they are built. `name` tells the model from others in the
    cache: change it with the code.
    `inputs`: what it reads, where that is not the suite's; anything that a LongTensor of example numbers indexes to a
    tensor (B, ...). `width`: about the neurons of a hidden layer (None: what the last layer with trained weights
    reads). `small(n_outputs, width)` makes the small models that stand in for it (None: a perceptron, where the inputs
    are arrays of floats).
    """
    if not (name.isprintable() and 1 <= len(name.strip()) <= LONGEST_NAME):
        raise InvalidInput(
            f"`name` must have 1 to {LONGEST_NAME} printable characters; found {name[:LONGEST_NAME]!r}."
        )
    own = None if inputs is None else _OwnInputs.of(inputs, suite.n_examples)
    given = _suite_inputs(suite) if own is None else own
    perceptron = None
    if small is None and _fits_perceptron(given):
        content = "" if own is None else _digest(own)
        perceptron = Perceptron("mlp", tuple(given.shape[1:]), 1, suite.n_tasks, suite.outputs, own, content)
    return _measured_model(
        build, name, suite.outputs, own, given[torch.arange(PROBED)], width, small, perceptron
    )


@dataclass(frozen=True)
class OwnModel(Architecture):
    """A module of the user's own; `own_model` makes it.

    Costs are those of all outputs, whatever the tasks, since the module computes them all: what torch's
    `FlopCounterMode` counts on an example in evaluation mode, which is products of matrices and convolutions.
    """

    name: str
    n_tasks: int
    outputs: tuple[int, ...]
    width: int
    content: str  # a hash of the parameters' names and shapes, and of the inputs that are not the suite's
    measured: Measured = field(repr=False)
    make: Build = field(compare=False, repr=False)
    own_inputs: ModelInputs | None = field(compare=False, repr=False)
    probe: Tensor = field(compare=False, repr=False)
    make_small: SmallBuild | None = field(compare=False, repr=False)
    perceptron: Perceptron | None = field(compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        return {"own": self.name, "outputs": list(self.outputs), "content": self.content}

    def build(self, seed: int) -> OwnModule:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return OwnModule(self.make(sum(self.outputs)), self.columns)

    def layers(self) -> list[Layer]:
        return list(self.measured.layers)

    @property
    def head_width(self) -> int:
        return 0

    def small(self, width: int) -> Architecture:
        if self.perceptron is not None:
            return replace(self.perceptron, width=width)
        make = self.make_small
        if make is None:
            raise InvalidInput(
                f"`proxies_per_task` must be 0 for the model `{self.name}`, for which no small model stands in: a "
                f"perceptron reads arrays of up to {LARGEST_STAND_IN:,} floats per example. Give `small` to "
                "`own_model`, or set `proxies_per_task` to 0."
            )
        return _measured_model(
            lambda n_outputs: make(n_outputs, width), f"{self.name}, small {width}", self.outputs,
            self.own_inputs, self.probe, width,
        )  # fmt: skip

    def small_learning_rate(self, learning_rate: float, width: int) -> float:
        """That of the default perceptron, where one stands in: the step size of another model says nothing of it."""
        if self.perceptron is None:
            return super().small_learning_rate(learning_rate, width)
        usual = RunConfig.model_fields
        return usual["learning_rate"].default * (usual["width"].default / width) ** 0.5

    def inputs_of(self, suite: TaskSuite) -> ModelInputs:
        if suite.outputs != self.outputs:
            raise InvalidInput(
                f"`model` must be made for the tasks of the suite; `{self.name}` has {sum(self.outputs)} outputs for "
                f"{self.n_tasks} tasks, and `{suite.name}` asks for {sum(suite.outputs)} for {suite.n_tasks}. Make it "
                "with `own_model` from this suite."
            )
        return _suite_inputs(suite) if self.own_inputs is None else self.own_inputs

    @property
    def kept_numbers(self) -> int:
        return self.measured.kept_numbers

    def forward_flops(self, n_heads: int) -> float:
        return self.measured.forward_flops

    def backward_flops(self, n_heads: int) -> float:
        return self.measured.backward_flops

    def step_flops(self, n_heads: int) -> float:
        return self.measured.step_flops


@dataclass(frozen=True)
class Perceptron(EncoderArchitecture):
    """The built-in perceptron on `own_inputs` (None: the suite's); `content` is their hash."""

    own_inputs: ModelInputs | None = field(default=None, compare=False, repr=False)
    content: str = ""

    def to_json(self) -> dict[str, Any]:
        facts = EncoderArchitecture(
            self.kind, self.input_shape, self.width, self.n_tasks, self.outputs
        ).to_json()
        return facts | ({"content": self.content} if self.content else {})

    def inputs_of(self, suite: TaskSuite) -> ModelInputs:
        return super().inputs_of(suite) if self.own_inputs is None else self.own_inputs


class OwnModule(nn.Module):
    """Calls `module` and takes the `columns` of the tasks asked for from its outputs."""

    def __init__(self, module: nn.Module, columns: Callable[[Sequence[int]], list[int]]):
        super().__init__()
        head = getattr(module, "head", None)
        if isinstance(head, nn.Module):
            # Before the rest, so that its parameters are named so: `backbone` leaves them out.
            self.head = head
        self.module = module
        # Unused: it tells the trainer that a module may draw numbers, as `functional.dropout` does unseen.
        self.draws = nn.Dropout()
        self._norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm)]
        self._columns = columns

    def forward(self, inputs: Tensor, tasks: Sequence[int] | None = None) -> Float[Tensor, "batch outputs"]:
        """Outputs of all tasks, or of some in the order given."""
        outputs = self._lone_row(inputs) if self.training and len(inputs) == 1 else self.module(inputs)
        return outputs if tasks is None else outputs[:, self._columns(tasks)]

    def _lone_row(self, inputs: Tensor) -> Tensor:
        """A training step on one row, as the last of an epoch may be: it has no spread to normalise by, so that batch
        norms use their running statistics, as in evaluation."""
        norms = [layer for layer in self._norms if layer.training]
        try:
            for layer in norms:
                layer.eval()
            return self.module(inputs)
        finally:
            for layer in norms:
                layer.train()


class _OwnInputs:
    """What a user's object gives for a LongTensor of examples, as a tensor on the CPU."""

    def __init__(self, source: Any, n_examples: int):
        self._source = source
        self._n_examples = n_examples

    @classmethod
    def of(cls, source: Any, n_examples: int) -> ModelInputs:
        """Arrays become tensors; anything else is asked for what is needed, when it is."""
        if hasattr(source, "__len__") and len(source) != n_examples:
            raise InvalidInput(
                f"`inputs` must have one entry for each of the {n_examples} examples of the suite; found {len(source)}."
            )
        if isinstance(source, np.ndarray):
            source = torch.from_numpy(source)
        if isinstance(source, Tensor):
            return _single(source.detach().cpu())
        if not hasattr(source, "__getitem__"):
            raise InvalidInput(
                f"`inputs` must be indexable by a LongTensor of examples; found {type(source).__name__}."
            )
        return cls(source, n_examples)

    def __len__(self) -> int:
        return self._n_examples

    def __getitem__(self, examples: Tensor) -> Tensor:
        values = self._source[examples]
        if not isinstance(values, Tensor) or len(values) != len(examples):
            shape = f" of shape {tuple(values.shape)}" if isinstance(values, Tensor) else ""
            raise InvalidInput(
                f"`inputs` must give a tensor with one row for each of {len(examples)} examples; found "
                f"{type(values).__name__}{shape}."
            )
        return _single(values.detach())

    @property
    def nbytes(self) -> int:
        return int(getattr(self._source, "nbytes", 0))


def _single(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values


def _suite_inputs(suite: TaskSuite) -> Tensor:
    if suite.modality == "text":
        raise InvalidInput(
            f"`inputs` must be given: a module reads tensors, and the examples of `{suite.name}` are texts. Give, for "
            "instance, the numbers of their tokens, a LongTensor (examples, tokens)."
        )
    return torch.from_numpy(suite.inputs)


def _fits_perceptron(inputs: ModelInputs) -> TypeGuard[Tensor]:
    if not isinstance(inputs, Tensor):
        return False
    return inputs.is_floating_point() and prod(inputs.shape[1:]) <= LARGEST_STAND_IN


def _measured_model(
    build: Build, name: str, outputs: tuple[int, ...], own: ModelInputs | None, probe: Tensor, width: int | None,
    small: SmallBuild | None = None, perceptron: Perceptron | None = None,
) -> OwnModel:  # fmt: skip
    measured, parameters = measure_module(build, sum(outputs), probe)
    usual: int = RunConfig.model_fields["width"].default
    width = width or (measured.layers[-1].n_in if measured.layers else usual)
    content = _hash([parameters, asdict(measured), "" if own is None else _digest(own)])
    return OwnModel(
        name, len(outputs), outputs, width, content, measured, build, own, probe, small, perceptron
    )


def _digest(inputs: ModelInputs) -> str:
    """A hash of all of a tensor, or of examples spread over what is only asked for them."""
    some = torch.linspace(0, len(inputs) - 1, min(HASHED, len(inputs))).long()
    parts = [inputs] if isinstance(inputs, Tensor) else [inputs[each[None]] for each in some]
    found = []
    for part in parts:
        data = np.ascontiguousarray(part.cpu().numpy())
        found.append([str(data.dtype), data.shape, hashlib.sha256(data.view(np.uint8).data).hexdigest()])
    return _hash(found)


def _hash(facts: Any) -> str:
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
