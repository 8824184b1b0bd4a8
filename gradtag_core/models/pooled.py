"""Small models that stand in for a transformer: perceptrons on what its frozen part makes of an example."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

from gradtag_core.models.architecture import ModelInputs
from gradtag_core.models.encoder import EncoderArchitecture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from gradtag_core.models.frozen import TransformerInputs
    from gradtag_core.models.transformer import TransformerArchitecture
    from gradtag_core.tasks.suite import TaskSuite


@dataclass(frozen=True)
class PooledArchitecture(EncoderArchitecture):
    """A perceptron that reads the pooled states of `source` without its adapters, computed once for each example."""

    source: TransformerArchitecture | None = None

    def to_json(self) -> dict[str, Any]:
        source = self._source
        own = {name: value for name, value in super().to_json().items() if name != "source"}
        return {**own, "pooled": source.pretrained.fingerprint, "max_tokens": source.max_tokens}

    @property
    def _source(self) -> TransformerArchitecture:
        if self.source is None:
            raise ValueError("a pooled architecture has a source")
        return self.source

    def frozen_flops(self, positions: int | None = None) -> float:
        """On top of what the source spends once for each example."""
        return self._source.forward_flops(0)

    def inputs_of(self, suite: TaskSuite) -> ModelInputs:
        from gradtag_core.models.frozen import shared

        source = self._source
        key = (suite.fingerprint, source.pretrained, source.role, source.max_tokens, "pooled")
        return shared(key, lambda: source.pooled_inputs(suite))


class PooledInputs:
    """Pooled states (B, width) of a frozen model, each scaled to mean 0 and variance 1 (as a layer norm does), computed
    when an example is first asked for, with those beside it in `order`. `flops`: what that took so far, with what it
    took to make `inputs`."""

    def __init__(
        self,
        inputs: TransformerInputs,
        encoder: nn.Module,
        width: int,
        flops_of_one: float,
        order: np.ndarray,
    ):
        import torch

        from gradtag_core.models.frozen import Windows

        self._windows = Windows(order)
        self._spent = threading.local()
        self._inputs = inputs
        self._encoder = encoder
        self._flops_of_one = flops_of_one
        self._pooled = torch.zeros(len(inputs), width)
        self._known = torch.zeros(len(inputs), dtype=torch.bool)
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._inputs)

    @property
    def flops(self) -> float:
        return getattr(self._spent, "flops", 0.0)

    @property
    def nbytes(self) -> int:
        return self._pooled.nbytes

    def __getitem__(self, examples: Tensor) -> Tensor:
        import torch

        with self._lock, torch.no_grad():
            before = self._inputs.flops
            for part in self._windows.of(examples[~self._known[examples]]):
                states = self._encoder(self._inputs[part])
                self._pooled[part] = torch.nn.functional.layer_norm(states, states.shape[1:])
                self._known[part] = True
                self._spent.flops = self.flops + len(part) * self._flops_of_one
            self._spent.flops = self.flops + self._inputs.flops - before
            return self._pooled[examples]
