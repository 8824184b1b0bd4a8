from itertools import pairwise

import pytest
import torch

from gradtag_core.gradients.block_projection import BLOCK_ROWS
from gradtag_core.gradients.random_projection import RandomProjection
from tests.gradients.reference import ARCHITECTURES, gradients_and_pieces

KINDS = ["gaussian", "rademacher"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_same_however_they_are_read(kind):
    n_rows = 2 * BLOCK_ROWS + 700
    whole = RandomProjection(kind, 5, seed=3).rows(0, n_rows)
    uncached = RandomProjection(kind, 5, seed=3)
    uncached.block_bytes = 0
    edges = [0, 1, 700, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 3, n_rows]
    parts = [uncached.rows(start, stop) for start, stop in pairwise(edges)]
    assert torch.equal(torch.cat(parts), whole)
    assert not uncached._blocks
    places = torch.tensor([2 * BLOCK_ROWS, 3, BLOCK_ROWS - 1, 3])
    assert torch.equal(uncached.rows_at(places), whole[places])


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_blocks_differ(kind):
    first, other = (RandomProjection(kind, 8, seed).rows(0, 2 * BLOCK_ROWS) for seed in (0, 1))
    assert not torch.equal(first, other)
    assert not torch.equal(first[:BLOCK_ROWS], first[BLOCK_ROWS:])


def test_signs_have_one_size():
    rows = RandomProjection("rademacher", 4, 0).rows(0, 100)
    assert torch.equal(rows.abs(), torch.full((100, 4), 0.5))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_projected_pieces_equal_projected_per_sample_gradients(architecture):
    gradients, pieces, rows = gradients_and_pieces(architecture)
    projection = RandomProjection("gaussian", 11, seed=2)
    projected, _ = projection.project(pieces, rows)
    torch.testing.assert_close(
        projected, gradients @ projection.rows(0, gradients.shape[1]), rtol=1e-5, atol=1e-5
    )
