"""Shared encoders of a chosen width with one linear head per task: what their kinds differ in, without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial
from importlib import import_module
from math import ceil, prod
from typing import TYPE_CHECKING, Any

from gradtag_core.config import ModelKind
from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import Architecture, Layer, ModelInputs
from gradtag_core.models.neighbourhoods import GraphKind, neighbourhood_shape, neighbourhoods_of

if TYPE_CHECKING:
    from gradtag_core.models.multitask import MultitaskModel
    from gradtag_core.tasks.suite import Modality, TaskSuite

Shape = tuple[int, ...]


@dataclass(frozen=True)
class EncoderKind:
    """One kind of encoder: where its class is, what it reads, and of what layers it is made.

    `location` is "module:Class" in this room; the class takes (input shape, width). `layers` and `n_slopes`, the number
    of parameters that no product uses (slopes and norms), take the same. `inputs` turns a suite into what the encoder
    reads, and `input_shape` is the shape of that for one example (both None: the suite's inputs as they are).
    """

    title: str
    location: str
    reads: frozenset[Modality]
    layers: Callable[[Shape, int], list[Layer]]
    n_slopes: Callable[[Shape, int], int]
    stackable: bool = False
    needs_edges: bool = False
    inputs: Callable[[TaskSuite], ModelInputs] | None = None
    input_shape: Callable[[TaskSuite], Shape] | None = None

    def encoder_class(self) -> type:
        module, name = self.location.split(":")
        return getattr(import_module(f"gradtag_core.models.{module}"), name)


def _sign_layers(shape: Shape, width: int) -> list[Layer]:
    n_hops, n_features = shape if len(shape) == 2 else (1, *shape)
    return [
        *[Layer(n_features, width, is_first=True)] * n_hops,
        *[Layer(width, width)] * n_hops,
        Layer(n_hops * width, width),
    ]


def _mlp_layers(shape: Shape, width: int) -> list[Layer]:
    return [Layer(prod(shape), width, is_first=True), Layer(width, width)]


def cnn_sizes(shape: Shape, width: int) -> tuple[int, Shape, Shape]:
    """Of the small network for images: its channels, the rows and columns of its maps, those of its fields."""
    halved = tuple(ceil(size / 2) for size in shape[1:])
    return max(1, width // 4), halved, tuple(min(4, size) for size in halved)


def _cnn_layers(shape: Shape, width: int) -> list[Layer]:
    channels, halved, fields = cnn_sizes(shape, width)
    return [
        Layer(9 * shape[0], channels, prod(halved), is_first=True),
        Layer(9 * channels, channels, prod(halved)),
        Layer(channels * prod(fields), width),
    ]


def _gnn_layers(shape: Shape, width: int, joined: int = 1, deep: bool = False) -> list[Layer]:
    members, columns = shape
    again = [Layer(width, width, members)] if deep else []
    # The weighted sum over members is a product too, with weights that are not trained.
    around = Layer(members, 1, width, trained=False)
    second = [Layer(joined * width, width), *([Layer(width, width)] if deep else [])]
    return [Layer(columns - 1, width, members, is_first=True), *again, around, *second]


def _graph_network(
    kind: GraphKind, name: str, layers: Callable[[Shape, int], list[Layer]],
    n_slopes: Callable[[Shape, int], int],
) -> EncoderKind:  # fmt: skip
    return EncoderKind(
        name, f"gnn:{name}", frozenset({"graph"}), layers, n_slopes, needs_edges=True,
        inputs=partial(neighbourhoods_of, kind), input_shape=partial(neighbourhood_shape, kind),
    )  # fmt: skip


ENCODERS: dict[str, EncoderKind] = {
    "sign": EncoderKind(
        "SIGN", "sign:SIGN", frozenset({"graph", "table"}), _sign_layers,
        lambda shape, width: (shape[0] if len(shape) == 2 else 1) + 2, stackable=True,
    ),
    "mlp": EncoderKind(
        "multilayer perceptron", "mlp:MLP", frozenset({"table", "graph", "image"}), _mlp_layers,
        lambda shape, width: 2, stackable=True,
    ),
    "cnn": EncoderKind(
        "convolutional network", "cnn:CNN", frozenset({"image"}), _cnn_layers,
        lambda shape, width: 1 + 4 * cnn_sizes(shape, width)[0],
    ),
    "gcn": _graph_network("gcn", "GCN", _gnn_layers, lambda shape, width: 2),
    "sage": _graph_network("sage", "GraphSAGE", partial(_gnn_layers, joined=2), lambda shape, width: 2),
    "gin": _graph_network("gin", "GIN", partial(_gnn_layers, deep=True), lambda shape, width: 4 + 8 * width),
}  # fmt: skip


@dataclass(frozen=True)
class EncoderArchitecture(Architecture):
    """An encoder of one of the `ENCODERS` and its heads: `input_shape` is that of one example as the encoder reads it.

    `outputs`: of each task (empty: one each).
    """

    kind: ModelKind
    input_shape: tuple[int, ...]
    width: int
    n_tasks: int
    outputs: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "outputs", self.outputs or (1,) * self.n_tasks)

    @classmethod
    def of(cls, kind: ModelKind, suite: TaskSuite, width: int) -> EncoderArchitecture:
        """The architecture for a suite; `InvalidInput` where the kind cannot read its examples."""
        family = ENCODERS[kind]
        if suite.modality not in family.reads or (family.needs_edges and suite.edges is None):
            needed = "a graph with its edges" if family.needs_edges else " or ".join(sorted(family.reads))
            raise InvalidInput(
                f"`model` must be one that reads `{suite.name}`: {family.title} needs {needed} data, these are "
                f"{suite.modality} data."
            )
        shape = family.input_shape(suite) if family.input_shape else suite.inputs.shape[1:]
        return cls(kind, tuple(shape), width, suite.n_tasks, suite.outputs)

    def to_json(self) -> dict[str, Any]:
        facts = asdict(self)
        if set(self.outputs) == {1}:
            del facts["outputs"]
        return facts

    def build(self, seed: int) -> MultitaskModel:
        import torch

        from gradtag_core.models.multitask import MultitaskModel

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = ENCODERS[self.kind].encoder_class()(self.input_shape, self.width)
            return MultitaskModel(encoder, self.width, self.outputs)

    def layers(self) -> list[Layer]:
        return ENCODERS[self.kind].layers(self.input_shape, self.width)

    @property
    def head_width(self) -> int:
        return self.width

    def small(self, width: int) -> EncoderArchitecture:
        return replace(self, width=width)

    def inputs_of(self, suite: TaskSuite) -> ModelInputs:
        make = ENCODERS[self.kind].inputs
        if make:
            return make(suite)
        import torch

        return torch.from_numpy(suite.inputs)

    @property
    def stackable(self) -> bool:
        return ENCODERS[self.kind].stackable and set(self.outputs) == {1}

    @property
    def n_parameters(self) -> int:
        """How many numbers a model has."""
        slopes = ENCODERS[self.kind].n_slopes(self.input_shape, self.width)
        layers = self._with_head(sum(self.outputs))
        return sum((layer.n_in + 1) * layer.n_out for layer in layers if layer.trained) + slopes
