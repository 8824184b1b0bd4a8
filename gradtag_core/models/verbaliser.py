"""An encoder-decoder whose outputs are the log-odds of answers: the verbalisers of instruction tasks.

A task's answers are told apart by their first tokens (as in Schick and Schütze 2021, arXiv 2001.07676, a label is
what a model would say), so one step of the decoder is enough.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from gradtag_core.models.text_encoder import Backbone, by_length
from gradtag_core.models.text_inputs import PADDING


class Verbaliser(Backbone):
    """Maps tokens (B, L), filled up with `PADDING`, to the outputs of tasks, side by side.

    `answers`: of each task, the first token of the answer of each class. Two answers have one output, the logit of the
    second less that of the first; more have one logit each. What a text asks for decides its logits; a task only
    decides which words count.
    """

    def __init__(self, model: nn.Module, answers: Sequence[Sequence[int]], start_token: int, pad_token: int):
        super().__init__(model)
        # Of each output, the token that speaks for it, and the one that speaks against it where there is one.
        self._for = [own[1:] if len(own) == 2 else own for own in answers]
        self._against = [own[:1] if len(own) == 2 else () for own in answers]
        self._start_token = start_token
        self._pad_token = pad_token
        self.head = nn.Identity()  # tasks have no parameters of their own

    def forward(
        self, inputs: Int[Tensor, "batch length"], tasks: Sequence[int] | None = None
    ) -> Float[Tensor, "batch outputs"]:
        logits = by_length(self._first_logits, inputs, inputs != PADDING, self.training)
        outputs = []
        for task in range(len(self._for)) if tasks is None else tasks:
            own = logits[:, list(self._for[task])]
            outputs.append(own - logits[:, list(self._against[task])] if self._against[task] else own)
        return torch.cat(outputs, dim=1)

    def _first_logits(self, inputs: Tensor, is_real: Tensor) -> Tensor:
        """Of every token at the decoder's first step: (B, vocabulary)."""
        found = self.model(
            input_ids=inputs.masked_fill(~is_real, self._pad_token),
            attention_mask=is_real.long(),
            decoder_input_ids=torch.full((len(inputs), 1), self._start_token, device=inputs.device),
            use_cache=False,
        )
        return found.logits[:, 0]
