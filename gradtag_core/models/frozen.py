"""What lies below the trained layers of a transformer: computed once for each example and kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock, RLock
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.models.growing_table import MEMORY_BYTES, GrowingTable
from gradtag_core.models.lora import layer_stack, with_shared_weights

# Model types whose embeddings and layers are where `lower_part` and `upper_part` look for them.
CUT_TYPES = frozenset(
    {"bert", "roberta", "xlm-roberta", "camembert", "electra", "mpnet", "distilbert", "vit", "deit"}
)
POSITIONS_AT_ONCE = 4096
WINDOW = 256  # examples among which those of like length make a batch
KEPT_CACHES = 4


@runtime_checkable
class TransformerInputs(Protocol):
    """Examples as a transformer reads them. `flops`: what it took so far to make them; `lengths`: positions of each."""

    @property
    def flops(self) -> float: ...

    def __len__(self) -> int: ...

    def __getitem__(self, examples: Tensor, /) -> Tensor: ...

    @property
    def nbytes(self) -> int: ...

    def lengths(self, examples: Tensor) -> Tensor: ...


class _Last(nn.Module):
    """In place of the trained layers: keeps what would enter them."""

    states: Tensor

    def forward(self, states: Tensor, *_: Any, **__: Any) -> Tensor:
        self.states = states
        return states


class _Given(nn.Module):
    """In place of the embeddings: hands on what is given for them."""

    def __init__(self, embeddings: nn.Module):
        super().__init__()
        if hasattr(embeddings, "patch_embeddings"):
            self.patch_embeddings = embeddings.patch_embeddings  # whose type of numbers image models ask for

    def forward(self, *arguments: Any, **keywords: Any) -> Tensor:
        given = (*arguments, *keywords.values())
        return next(value for value in given if isinstance(value, Tensor) and value.is_floating_point())


class LowerPart(nn.Module):
    """The layers below the last `n_trained`: maps a batch, by `run(model, batch)`, to the states that enter these."""

    def __init__(self, model: nn.Module, n_trained: int, run: Callable[[nn.Module, Tensor], Any]):
        super().__init__()
        self._model = with_shared_weights(model)
        self._run = run
        self._last = _Last()
        stack = layer_stack(self._model)
        del stack[len(stack) - n_trained :]
        stack.append(self._last)

    @torch.no_grad()
    def forward(self, batch: Tensor) -> Tensor:
        self._run(self._model, batch)
        return self._last.states


def upper_part(model: nn.Module, n_trained: int) -> nn.Module:
    """A copy of the model, over the same weights, that starts with the last `n_trained` layers: it reads hidden
    states where the model reads embeddings or pixels."""
    upper = with_shared_weights(model)
    stack = layer_stack(upper)
    del stack[: len(stack) - n_trained]
    owner = next(
        module for module in upper.modules() if isinstance(getattr(module, "embeddings", None), nn.Module)
    )
    owner.embeddings = _Given(owner.get_submodule("embeddings"))
    if hasattr(owner, "embeddings_project"):
        owner.embeddings_project = nn.Identity()
    return upper


class Windows:
    """All examples in a fixed order, cut into parts that are worked on together."""

    def __init__(self, order: np.ndarray):
        examples = torch.from_numpy(order)
        self._parts = examples.split(WINDOW)
        self._part_of = torch.empty_like(examples)
        self._part_of[examples] = torch.arange(len(examples)) // WINDOW

    def of(self, examples: Tensor) -> list[Tensor]:
        """The parts that hold these examples, in their order."""
        return [self._parts[part] for part in self._part_of[examples].unique().tolist()]


class HiddenInputs:
    """Hidden states as they enter the trained layers: a batch is (B, L, width + 1), whose last column is one at real
    positions and zero, like all else, at those that fill up.

    Computed when an example is first asked for, with those of its batch: which these are follows from `order`, a
    permutation of the examples, not from what is asked for, since the last digits depend on the batch. `flops`: what
    that took so far in the thread that asks, so that none is charged for another's; `flops_of(length)` is what one
    example takes.
    """

    def __init__(
        self, raw: TransformerInputs, lower: nn.Module, width: int, flops_of: Callable[[int], float],
        order: np.ndarray, memory_bytes: int = MEMORY_BYTES,
    ):  # fmt: skip
        self._windows = Windows(order)
        self._spent = threading.local()
        self._raw = raw
        self._lower = lower
        self._flops_of = flops_of
        self._table = GrowingTable(width + 1, memory_bytes)
        self._table.append(torch.zeros(1, width + 1))  # what fills up
        self._starts = torch.zeros(len(raw), dtype=torch.long)
        self._lengths = torch.zeros(len(raw), dtype=torch.long)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._raw)

    @property
    def nbytes(self) -> int:
        return self._table.nbytes

    @property
    def flops(self) -> float:
        return getattr(self._spent, "flops", 0.0)

    def lengths(self, examples: Tensor) -> Tensor:
        """How many positions each has: (B,)."""
        return self._raw.lengths(examples)

    def __getitem__(self, examples: Tensor) -> Float[Tensor, "batch length width_and_one"]:
        with self._lock:
            self._compute(examples[self._lengths[examples] == 0].unique())
            lengths = self._lengths[examples]
            positions = torch.arange(int(lengths.max()))
            places = self._starts[examples, None] + positions
            places[positions >= lengths[:, None]] = 0
            return self._table.values[places]

    def _compute(self, missing: Tensor) -> None:
        for window in self._windows.of(missing):
            lengths, order = self._raw.lengths(window).sort(stable=True, descending=True)
            window, start = window[order], 0
            while start < len(window):
                longest = int(lengths[start])
                stop = start + max(1, POSITIONS_AT_ONCE // longest)
                if torch.isin(window[start:stop], missing).any():
                    self._keep(window[start:stop], lengths[start:stop], longest)
                start = stop

    def _keep(self, examples: Tensor, lengths: Tensor, longest: int) -> None:
        states = self._lower(self._raw[examples])
        self._spent.flops = self.flops + len(examples) * self._flops_of(longest)
        is_real = torch.arange(longest) < lengths[:, None]
        rows = states[is_real]
        start = self._table.append(torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1))
        self._starts[examples] = start + lengths.cumsum(0) - lengths
        self._lengths[examples] = lengths


_caches: "OrderedDict[tuple[Any, ...], Any]" = OrderedDict()
_caches_lock = RLock()  # inputs may be made from others


def shared(key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
    """The inputs of this key that the process has made before, or new ones; the last few are kept."""
    with _caches_lock:
        if key not in _caches:
            _caches[key] = make()
        _caches.move_to_end(key)
        while len(_caches) > KEPT_CACHES:
            _caches.popitem(last=False)
        return _caches[key]
