import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradtag_core.gradients import pieces as module
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces


def drawn(kind, n_rows, positions, n_in, n_out, flag, generator):
    """Pieces of random numbers; the gradients in float64 leave no doubt about the tolerance."""

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if kind == "explicit":
        return ExplicitPieces(3, normal(n_rows, n_in))
    if kind == "outer":
        return OuterPieces(3, normal(n_rows, positions, n_in), normal(n_rows, positions, n_out), flag)
    ids = torch.randint(n_in, (n_rows, positions), generator=generator)
    return EmbeddingPieces(3, ids, normal(n_rows, positions, n_out), n_in, 0 if flag else None)


def summed_by_hand(pieces):
    """The gradients, row by row and position by position."""
    if isinstance(pieces, ExplicitPieces):
        return pieces.values
    gradients = torch.zeros(len(pieces), pieces.size, dtype=torch.float64)
    n_out = pieces.output_gradients.shape[2]
    for row, outputs in enumerate(pieces.output_gradients):
        for position, delta in enumerate(outputs):
            if isinstance(pieces, OuterPieces):
                weight = torch.outer(delta, pieces.inputs[row, position]).flatten()
                gradients[row] += torch.cat([weight, delta]) if pieces.has_bias else weight
            elif pieces.ids[row, position] != pieces.padding_idx:
                gradients[row].view(-1, n_out)[pieces.ids[row, position]] += delta
    return gradients


@given(
    kind=st.sampled_from(["explicit", "outer", "embedding"]), rows=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    positions=st.tuples(st.integers(0, 4), st.integers(0, 4)), n_in=st.integers(1, 12), n_out=st.integers(1, 12),
    flag=st.booleans(), n_weights=st.integers(1, 4), chunk=st.sampled_from([1, 20, 2**22]), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_everything_agrees_with_the_gradients(
    kind, rows, positions, n_in, n_out, flag, n_weights, chunk, seed
):  # fmt: skip
    generator = torch.Generator().manual_seed(seed)
    ours, others = (
        drawn(kind, n_rows, n_positions, n_in, n_out, flag, generator)
        for n_rows, n_positions in zip(rows, positions, strict=True)
    )
    gradients = summed_by_hand(ours)
    weights = torch.randn(len(ours), n_weights, generator=generator, dtype=torch.float64)
    picked = torch.randint(len(ours), (3,), generator=generator)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK_ENTRIES", chunk)
        assert gradients.shape == (len(ours), ours.size)
        torch.testing.assert_close(ours.gradients(), gradients)
        torch.testing.assert_close(ours.squared_norms(), gradients.square().sum(1))
        torch.testing.assert_close(ours.gram(others), gradients @ summed_by_hand(others).T)
        torch.testing.assert_close(ours.weighted_sum(weights), weights.T @ gradients)
        for chosen in (picked, picked.new_ones(len(ours)).bool()):
            selected = ours.select(chosen)
            assert (type(selected), selected.offset) == (type(ours), 3)
            torch.testing.assert_close(selected.gradients(), gradients[chosen])


def test_products_of_unlike_kinds_are_those_of_the_gradients():
    generator = torch.Generator().manual_seed(0)
    outer = drawn("outer", 4, 2, 3, 5, True, generator)
    table = drawn("embedding", 6, 2, 4, 5, False, generator)
    for one, other in ((outer, table), (table, outer), (ExplicitPieces(3, outer.gradients()), table)):
        torch.testing.assert_close(one.gram(other), one.gradients() @ other.gradients().T)


def test_padding_leaves_no_trace_in_the_output_gradients():
    ids, gradients = torch.tensor([[0, 1, 2]]), torch.ones(1, 3, 2)
    pieces = EmbeddingPieces(0, ids, gradients, 4, padding_idx=1)
    assert pieces.output_gradients[0, :, 0].tolist() == [1, 0, 1]
    assert gradients.sum() == 6


def test_norms_and_products_of_wide_layers_need_no_gradients(monkeypatch):
    """A layer of 10^8 weights would not fit; its products do."""
    monkeypatch.setattr(OuterPieces, "gradients", None)
    wide = OuterPieces(0, torch.ones(3, 2, 10_000), torch.ones(3, 2, 10_000), False)
    torch.testing.assert_close(wide.squared_norms(), torch.full((3,), 4e8))
    torch.testing.assert_close(wide.gram(wide), torch.full((3, 3), 4e8))
