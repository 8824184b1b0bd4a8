"""Gradients of one logit per row for parameters of layers without a short form, by `torch.func`."""

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

CHUNK_ENTRIES = 2**24  # gradient numbers at a time
CHUNK_ROWS = 64


def explicit_gradients(
    model: nn.Module, names: Sequence[str], inputs: Tensor, tasks: Tensor
) -> dict[str, Tensor]:
    """The gradient of logit `tasks[r]` of row r for each named parameter: (R, size of the parameter).

    Rows go through together, some at a time, or one by one through a model that `torch.func.vmap` cannot batch.
    """
    named = dict(model.named_parameters())
    values = {name: named[name].detach() for name in names}

    def logit(values: dict[str, Tensor], example: Tensor, task: Tensor) -> Tensor:
        return functional_call(model, values, (example[None],))[0].gather(0, task[None])[0]

    row_gradients = grad(logit)
    chunk = max(1, min(CHUNK_ROWS, CHUNK_ENTRIES // sum(value.numel() for value in values.values())))
    with torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        try:
            found = vmap(row_gradients, in_dims=(None, 0, 0), chunk_size=chunk)(values, inputs, tasks)
        except RuntimeError:
            # Recurrent layers, in-place writes, control flow; a fault of the model itself comes up again.
            rows = [row_gradients(values, *row) for row in zip(inputs, tasks, strict=True)]
            found = {name: torch.stack([row[name] for row in rows]) for name in names}
    return {name: gradient.detach().reshape(len(inputs), -1) for name, gradient in found.items()}
