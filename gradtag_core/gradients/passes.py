"""Gradients of many rows by several passes, each over a few examples of about one length whose rows share it.

For models so large that the activations of a pass, not the gradients taken from it, are what fills the memory.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from gradtag_core.gradients.parameters import HEAD, ParameterChoice, choose_parameters
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces
from gradtag_core.models.architecture import ModelInputs


def logits_and_pieces_by_passes(
    model: nn.Module, inputs: ModelInputs, examples: Tensor, tasks: Tensor, most_examples: int,
    parameters: ParameterChoice = "all",
) -> tuple[Tensor, list[Pieces]]:  # fmt: skip
    """As `logits_and_pieces`, for rows (sorted by example) of `examples` among `inputs`: (R,), on the model's device.

    Examples with equally many rows, and of about one length where inputs have `lengths`, go together.
    """
    chosen = choose_parameters(model, parameters)
    heads = {chosen.offsets[name] for name in chosen.names if name.startswith(f"{HEAD}.")}
    found = []
    order = []
    for rows in _passes(inputs, examples, most_examples):
        groups = RowGroups.of(examples[rows])
        batch = inputs[examples[rows][groups.first]].to(tasks.device)
        on_device = RowGroups(*(part.to(tasks.device) for part in (groups.group, groups.slot, groups.first)))
        own_logits, own = logits_and_pieces(model, batch, tasks[rows.to(tasks.device)], parameters, on_device)
        found.append((own_logits, [_in_one_form(piece, piece.offset in heads) for piece in own]))
        order.append(rows)
    back = torch.cat(order).argsort().to(tasks.device)
    logits = torch.cat([part for part, _ in found])
    pieces = [concatenated(parts).select(back) for parts in zip(*(part for _, part in found), strict=True)]
    return logits[back], pieces


def _in_one_form(piece: Pieces, is_head: bool) -> Pieces:
    """Written out, but for heads, which read one position: the form must not depend on how long the texts of a pass
    are, because projections draw other numbers for another form."""
    is_by_position = isinstance(piece, OuterPieces) and not is_head
    return ExplicitPieces(piece.offset, piece.gradients()) if is_by_position else piece


def _passes(inputs: ModelInputs, examples: Tensor, most_examples: int) -> Iterator[Tensor]:
    """The rows of each pass."""
    _, sizes = examples.unique_consecutive(return_counts=True)
    starts = sizes.cumsum(0) - sizes
    lengths = getattr(inputs, "lengths", None)
    keys = sizes * 2**32 + (lengths(examples[starts]) if lengths else 0)
    for members in keys.argsort(stable=True).split(most_examples):
        yield torch.cat([torch.arange(int(starts[one]), int(starts[one] + sizes[one])) for one in members])


def concatenated(parts: Sequence[Pieces]) -> Pieces:
    """The pieces of some rows after those of others, at the same parameters."""
    if len(parts) == 1:
        return parts[0]
    if len({type(part) for part in parts}) > 1 or isinstance(parts[0], ExplicitPieces):
        return ExplicitPieces(parts[0].offset, torch.cat([part.gradients() for part in parts]))
    longest = max(cast(OuterPieces, part).output_gradients.shape[1] for part in parts)
    joined = {}
    for name in ("inputs", "ids", "output_gradients"):
        if hasattr(parts[0], name):
            joined[name] = torch.cat([_filled_up(getattr(part, name), longest) for part in parts])
    return replace(cast(OuterPieces | EmbeddingPieces, parts[0]), **joined)


def _filled_up(values: Tensor, length: int) -> Tensor:
    """With zeros, at which the gradient is zero, to so many positions."""
    filled = values.new_zeros(len(values), length, *values.shape[2:])
    filled[:, : values.shape[1]] = values
    return filled
