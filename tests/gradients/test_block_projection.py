import pytest
import torch

from gradtag_core.gradients.block_projection import BLOCK_ROWS
from gradtag_core.gradients.pieces import OuterPieces
from gradtag_core.gradients.random_projection import RandomProjection
from tests.gradients.made_pieces import made_pieces


@pytest.mark.parametrize("forms", [("linear",), ("positions",)])
def test_sharing_among_the_rows_of_an_example_changes_nothing_but_the_cost(forms):
    gradients, pieces, rows = made_pieces(*forms, n_copies=3)
    assert isinstance(pieces[0], OuterPieces)
    projection = RandomProjection("gaussian", 6, 0)
    shared, formed = torch.zeros(len(gradients), 6), torch.zeros(len(gradients), 6)
    projection._add_shared(shared, pieces[0], rows)
    projection._add_formed(formed, pieces[0])
    torch.testing.assert_close(shared, formed, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("form", "expected"), [("linear", "shared"), ("positions", "formed")])
def test_the_cheaper_way_is_taken(form, expected, monkeypatch):
    """Forming gradients pays where examples have more positions than rows."""
    _, pieces, rows = made_pieces(form)
    taken = []
    monkeypatch.setattr(RandomProjection, "_add_shared", lambda *arguments: taken.append("shared"))
    monkeypatch.setattr(RandomProjection, "_add_formed", lambda *arguments: taken.append("formed"))
    RandomProjection("gaussian", 4, 0).project(pieces, rows)
    assert taken == [expected]


def test_blocks_are_kept_within_their_memory_and_moved_with_the_device():
    projection = RandomProjection("gaussian", 4, 0)
    block = 4 * 4 * BLOCK_ROWS
    projection.block_bytes = 8 * block  # of which half is for chunks
    projection.rows(0, 20 * BLOCK_ROWS)
    assert 0 < sum(part.nbytes for parts in projection._blocks.values() for part in parts) <= 4 * block


def test_a_lift_crosses_blocks():
    projection = RandomProjection("rademacher", 3, 0)
    weights = torch.randn(3, 2)
    start, stop = BLOCK_ROWS - 5, 2 * BLOCK_ROWS + 5
    expected = (projection.rows(start, stop) @ weights).T
    torch.testing.assert_close(projection.lift_rows(weights, start, stop), expected)
