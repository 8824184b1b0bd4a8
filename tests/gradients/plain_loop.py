"""Gradients as autograd gives them, one row at a time, for comparison; and models that use layers in many ways."""

import torch
from torch import nn

from gradtag_core.gradients.parameters import choose_parameters
from gradtag_core.gradients.per_example import logits_and_pieces
from gradtag_core.models.multitask import MultitaskModel

N_TASKS = 3


class Summed(nn.Module):
    """An encoder for `MultitaskModel`: layers, a bend, and the mean over all positions of (R, ..., width)."""

    def __init__(self, *layers, channels_second=False):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.channels_second = channels_second

    def forward(self, inputs):
        outputs = torch.tanh(self.layers(inputs))
        if self.channels_second:
            outputs = outputs.movedim(1, -1)
        return outputs.reshape(len(outputs), -1, outputs.shape[-1]).mean(1)


class Ids(nn.Module):
    """Ids as they come in a table of inputs, which are floating-point numbers."""

    def forward(self, inputs):
        return inputs.long()


def multitask(encoder, width, seed=0, dtype=torch.float64):
    """The model in evaluation mode, with every parameter and running statistic drawn at random."""
    model = MultitaskModel(encoder, width, [1] * N_TASKS).to(dtype).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
        for name, buffer in model.named_buffers():
            if name.endswith(("running_mean", "running_var")):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
    return model


def loop_gradients(model, inputs, tasks, parameters="all"):
    """The gradient of logit `tasks[r]` of each row over the chosen parameters: (R, p)."""
    chosen = list(choose_parameters(model, parameters).by_name.values())
    rows = []
    for row, task in enumerate(tasks):
        logit = model(inputs[row : row + 1])[0, task]
        found = torch.autograd.grad(logit, chosen, allow_unused=True)
        rows.append(
            torch.cat(
                [
                    torch.zeros(old.numel(), dtype=old.dtype) if new is None else new.flatten()
                    for old, new in zip(chosen, found, strict=True)
                ]
            )
        )
    return torch.stack(rows)


def draw(shape, dtype=torch.float64, n_rows=5, seed=1):
    """Inputs (R, *shape) and a task per row; a negative number leads `shape` for ids below its size."""
    generator = torch.Generator().manual_seed(seed)
    tasks = torch.randint(0, N_TASKS, (n_rows,), generator=generator)
    if shape[0] < 0:
        return torch.randint(-shape[0], (n_rows, *shape[1:]), generator=generator).to(dtype), tasks
    return torch.randn(n_rows, *shape, generator=generator, dtype=dtype), tasks


def assert_equal_to_loop(model, inputs, tasks, parameters="all", tolerance=1e-9):
    """Logits, gradients and their norms are the loop's, relative to the largest entry of each row."""
    expected = loop_gradients(model, inputs, tasks, parameters)
    logits, pieces = logits_and_pieces(model, inputs, tasks, parameters)
    torch.testing.assert_close(logits, model(inputs).detach()[torch.arange(len(tasks)), tasks])
    position = 0
    for piece in pieces:
        assert piece.offset == position
        position += piece.size
        assert len(piece) == len(tasks)
    found = torch.cat([piece.gradients() for piece in pieces], dim=1)
    assert found.shape == expected.shape
    scale = expected.abs().amax(1, keepdim=True).clamp(min=1e-12)
    assert ((found - expected).abs() / scale).max() <= tolerance
    norms = torch.stack([piece.squared_norms() for piece in pieces]).sum(0)
    torch.testing.assert_close(
        norms, expected.square().sum(1), rtol=10 * tolerance, atol=0.0 if norms.all() else 1e-20
    )
    return pieces
