"""Which parameters of a model count as the ones that gradients are taken of."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor, nn

from gradtag_core.errors import InvalidInput

HEAD = "head"  # the submodule that `backbone` leaves out

ParameterChoice = str | Callable[[str], bool]  # `all`, `backbone`, or which names count


@dataclass(frozen=True)
class ChosenParameters:
    """The chosen parameters by name, in `named_parameters` order; tied ones stand once, under their first name."""

    by_name: dict[str, nn.Parameter]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.by_name)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(parameter.numel() for parameter in self.by_name.values())

    @cached_property
    def offsets(self) -> dict[str, int]:
        """Where each parameter starts in the flattened vector."""
        return dict(zip(self.by_name, accumulate(self.sizes, initial=0), strict=False))

    @property
    def size(self) -> int:
        """p, the length of the flattened vector."""
        return sum(self.sizes)

    def unflatten(self, vectors: Tensor) -> dict[str, Tensor]:
        """Vectors (..., p) cut into the parameters' shapes: each (..., *shape)."""
        parts = torch.split(vectors, list(self.sizes), dim=-1)
        return {
            name: part.unflatten(-1, parameter.shape) if parameter.ndim else part.squeeze(-1)
            for (name, parameter), part in zip(self.by_name.items(), parts, strict=True)
        }


def choose_parameters(model: nn.Module, parameters: ParameterChoice = "all") -> ChosenParameters:
    """`all`, `backbone` (everything but the model's `head`), or those whose name a predicate accepts.

    Parameters with `requires_grad` False never count. Raises `InvalidInput` when the choice is unknown or empty.
    """
    trainable = {name: value for name, value in model.named_parameters() if value.requires_grad}
    chosen = {name: value for name, value in trainable.items() if _predicate(model, parameters)(name)}
    if not chosen:
        choice = f"`{parameters}`" if isinstance(parameters, str) else "the predicate"
        raise InvalidInput(
            f"`parameters` must choose at least one parameter that requires a gradient; {choice} chooses none of the "
            f"{len(trainable)} such parameters of {type(model).__name__}."
        )
    return ChosenParameters(chosen)


def _predicate(model: nn.Module, parameters: ParameterChoice) -> Callable[[str], bool]:
    if callable(parameters):
        return parameters
    if parameters == "all":
        return lambda name: True
    if parameters != "backbone":
        raise InvalidInput(
            f"`parameters` must be `all`, `backbone` or a predicate on parameter names; it is `{parameters}`."
        )
    if not isinstance(getattr(model, HEAD, None), nn.Module):
        raise InvalidInput(
            f"`parameters` is `backbone`, which needs a model with a submodule `{HEAD}`; {type(model).__name__} has "
            "none. Use `all`, or a predicate on parameter names."
        )
    return lambda name: not name.startswith(f"{HEAD}.")
