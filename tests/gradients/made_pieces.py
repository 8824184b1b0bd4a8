"""Pieces of every form with made-up content: gradients of rows, several of which belong to one example."""

import torch
from torch import Tensor

from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces, Pieces

EXAMPLES = torch.tensor([0, 0, 0, 1, 2, 2, 3])
FORMS = ("linear", "without bias", "positions", "embedding", "padded", "slope", "scale", "explicit")


def made_pieces(*forms: str, n_copies: int = 1, seed: int = 0) -> tuple[Tensor, list[Pieces], RowGroups]:
    """The gradients (rows, p), their pieces and groups: seven rows of four examples, `n_copies` times."""
    generator = torch.Generator().manual_seed(seed)
    examples = torch.cat([EXAMPLES + 4 * copy for copy in range(n_copies)])
    pieces: list[Pieces] = []
    offset = 0
    for form in forms or FORMS:
        pieces.append(_layer(form, offset, examples, generator))
        offset += pieces[-1].size
    gradients = torch.cat([layer.gradients() for layer in pieces], dim=1)
    return gradients, pieces, RowGroups.of(examples)


def _layer(form: str, offset: int, examples: Tensor, generator: torch.Generator) -> Pieces:
    n_examples = int(examples.max()) + 1

    def of_rows(*shape: int) -> Tensor:
        return torch.randn(len(examples), *shape, generator=generator)

    def of_examples(*shape: int) -> Tensor:
        return torch.randn(n_examples, *shape, generator=generator)[examples]

    if form in ("embedding", "padded"):
        ids = torch.randint(0, 6, (n_examples, 4), generator=generator)[examples]
        return EmbeddingPieces(offset, ids, of_rows(4, 3), 6, 2 if form == "padded" else None)
    if form in ("slope", "scale", "explicit"):
        return ExplicitPieces(offset, of_rows({"slope": 1, "scale": 5, "explicit": 300}[form]))
    n_positions = 3 if form == "positions" else 1
    has_bias = form != "without bias"
    return OuterPieces(offset, of_examples(n_positions, 7), of_rows(n_positions, 5), has_bias)
