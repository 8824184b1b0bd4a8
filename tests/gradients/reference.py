"""Gradients per example as torch.func takes them, one after the other, for comparison."""

import torch
from torch.func import functional_call, grad, vmap

from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces
from gradtag_core.models.encoder import EncoderArchitecture

ARCHITECTURES = [EncoderArchitecture("sign", (3, 6), 5, 4), EncoderArchitecture("mlp", (6,), 5, 4)]
EXAMPLES = torch.tensor([0, 0, 0, 1, 2, 2, 3])
TASKS = torch.tensor([0, 2, 3, 1, 0, 3, 2])


def reference_gradients(model, inputs, tasks):
    """(rows, p): torch.func's gradients per sample, flattened in `named_parameters` order."""
    parameters = {name: value.detach() for name, value in model.named_parameters()}

    def logit(parameters, example, task):
        return (
            functional_call(model, parameters, (example[None],)).squeeze(0).gather(0, task[None]).squeeze(0)
        )

    gradients = vmap(grad(logit), in_dims=(None, 0, 0))(parameters, inputs, tasks)
    return torch.cat([gradients[name].flatten(1) for name in parameters], dim=1)


def gradients_and_pieces(architecture, n_copies=1):
    """The full gradients, (rows, p), and the pieces of the same rows: seven rows of four examples, `n_copies` times."""
    model = architecture.build(0).eval()
    generator = torch.Generator().manual_seed(1)
    examples = torch.cat([EXAMPLES + 4 * copy for copy in range(n_copies)])
    tasks = TASKS.repeat(n_copies)
    inputs = torch.randn(4 * n_copies, *architecture.input_shape, generator=generator)[examples]
    _, pieces = logits_and_pieces(model, inputs, tasks)
    return reference_gradients(model, inputs, tasks), pieces, RowGroups.of(examples)
