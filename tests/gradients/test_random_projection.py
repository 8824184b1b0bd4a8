from itertools import pairwise

import numpy as np
import pytest
import torch

from gradtag_core.gradients import random_projection as module
from gradtag_core.gradients.random_projection import BLOCK_ROWS, RandomProjection
from tests.gradients.reference import ARCHITECTURES, gradients_and_pieces

KINDS = ["gaussian", "rademacher"]


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_the_same_however_they_are_read(kind, monkeypatch):
    n_rows = 2 * BLOCK_ROWS + 700
    whole = RandomProjection(kind, 5, seed=3).rows(0, n_rows)
    monkeypatch.setattr(module, "CACHE_BYTES", 0)
    uncached = RandomProjection(kind, 5, seed=3)
    edges = [0, 1, 700, BLOCK_ROWS, BLOCK_ROWS + 1, 2 * BLOCK_ROWS + 3, n_rows]
    parts = [uncached.rows(start, stop) for start, stop in pairwise(edges)]
    assert torch.equal(torch.cat(parts), whole)
    assert not uncached._blocks


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_and_blocks_differ(kind):
    first, other = (RandomProjection(kind, 8, seed).rows(0, 2 * BLOCK_ROWS) for seed in (0, 1))
    assert not torch.equal(first, other)
    assert not torch.equal(first[:BLOCK_ROWS], first[BLOCK_ROWS:])


@pytest.mark.parametrize("kind", KINDS)
def test_inner_products_are_kept_on_average(kind):
    """E[P Pᵀ] = I, entry by entry, to the accuracy that the number of seeds allows."""
    dim, n_seeds = 16, 400
    mean = (
        sum(
            rows @ rows.T
            for seed in range(n_seeds)
            for rows in [RandomProjection(kind, dim, seed).rows(0, 6)]
        )
        / n_seeds
    )
    assert (mean - torch.eye(6)).abs().max() < 5 * np.sqrt(2 / (dim * n_seeds))


@pytest.mark.parametrize("kind", KINDS)
def test_the_error_of_an_inner_product_falls_as_the_root_of_the_dimension(kind):
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 500, generator=generator)
    dims = [16, 64, 256]
    spread = []
    for dim in dims:
        projections = [RandomProjection(kind, dim, seed).rows(0, 500) for seed in range(60)]
        spread.append(np.std([float((first @ rows) @ (second @ rows)) for rows in projections]))
    slope = np.polyfit(np.log(dims), np.log(spread), 1)[0]
    assert -0.7 < slope < -0.3


def test_signs_have_one_size():
    rows = RandomProjection("rademacher", 4, 0).rows(0, 100)
    assert torch.equal(rows.abs(), torch.full((100, 4), 0.5))


@pytest.mark.parametrize("chunk", [1, 10**9])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_projected_pieces_equal_projected_per_sample_gradients(architecture, chunk, monkeypatch):
    monkeypatch.setattr(module, "CHUNK_ENTRIES", chunk)
    gradients, pieces, rows = gradients_and_pieces(architecture)
    projection = RandomProjection("gaussian", 11, seed=2)
    projected, flops = projection.project(pieces, rows)
    torch.testing.assert_close(
        projected, gradients @ projection.rows(0, gradients.shape[1]), rtol=1e-5, atol=1e-5
    )
    assert flops > 0
