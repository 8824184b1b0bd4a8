"""A pretrained text encoder as the shared encoder of a multitask model: the mean of its last states."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from gradtag_core.models.text_inputs import PADDING

GROUP_ROWS = 32


class Backbone(nn.Module):
    """A pretrained model that stays in evaluation mode: dropout would only blur what its adapters learn, and a
    training that is repeated must repeat."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model.eval()

    def train(self, mode: bool = True) -> "Backbone":
        super().train(mode)
        self.model.eval()
        return self


class TextEncoder(Backbone):
    """Maps tokens (B, L), filled up with `PADDING`, or hidden states (B, L, width + 1), whose last column is one at
    real positions, to the mean of the model's last states over real positions, (B, width)."""

    def __init__(self, model: nn.Module, pad_token: int, reads_states: bool):
        super().__init__(model)
        self._pad_token = pad_token
        self._reads_states = reads_states

    def forward(self, inputs: Tensor) -> Float[Tensor, "batch width"]:
        is_real = inputs[..., -1] > 0 if self._reads_states else inputs != PADDING
        return by_length(self._pooled, inputs, is_real, self.training)

    def _pooled(self, inputs: Tensor, is_real: Tensor) -> Tensor:
        if self._reads_states:
            found = self.model(inputs_embeds=inputs[..., :-1], attention_mask=is_real.long())
        else:
            found = run_text(self.model, inputs, self._pad_token)
        weights = is_real.to(found.last_hidden_state)
        weights = weights / weights.sum(1, keepdim=True)
        return (found.last_hidden_state * weights[..., None]).sum(1)


def by_length(
    run: Callable[[Tensor, Tensor], Tensor], inputs: Tensor, is_real: Tensor, training: bool
) -> Tensor:
    """`run(inputs, is_real)` by groups of rows of about one length, each cut to its longest: texts are of so many
    lengths that a third of a batch would be filling.

    A pass for gradients per row goes through whole: its hooks see the rows of a layer in one call.
    """
    if (torch.is_grad_enabled() and not training) or len(inputs) < 2 * GROUP_ROWS:
        return run(inputs, is_real)
    lengths, order = is_real.sum(1).sort(stable=True)
    parts = [
        run(inputs[rows, : int(longest)], is_real[rows, : int(longest)])
        for rows, longest in zip(
            order.split(GROUP_ROWS), [part[-1] for part in lengths.split(GROUP_ROWS)], strict=True
        )
    ]
    return torch.cat(parts)[order.argsort()]


def run_text(model: nn.Module, tokens: Tensor, pad_token: int) -> Any:
    """A pass of a text model over tokens filled up with `PADDING`."""
    is_real = tokens != PADDING
    return model(input_ids=tokens.masked_fill(~is_real, pad_token), attention_mask=is_real.long())
