import numpy as np
import pytest
import torch

from gradtag_core.gradients.factored import FactoredProjection
from tests.gradients.made_pieces import made_pieces


def matrix_of(projection, pieces, rows):
    projection.fit([(pieces, rows)])
    return projection.lift(torch.eye(projection.dim)).T


@pytest.mark.parametrize(("form", "shape"), [("without bias", (5, 7)), ("embedding", (6, 3))])
def test_each_column_is_an_outer_product_of_signs(form, shape):
    _, pieces, rows = made_pieces(form)
    for column in matrix_of(FactoredProjection(4, 0), pieces, rows).T:
        assert torch.equal(column.abs(), torch.full_like(column, 0.5))
        assert torch.linalg.matrix_rank(column.view(shape)) == 1


def test_layers_have_factors_of_their_own():
    """Two layers of one shape: equal signs would add cross terms to every inner product."""
    _, pieces, rows = made_pieces("without bias", "without bias")
    matrix = matrix_of(FactoredProjection(64, 0), pieces, rows)
    first, second = matrix.split(35)
    assert (first @ second.T).abs().max() < 6 / np.sqrt(64)


def test_the_error_is_close_to_that_of_a_dense_projection():
    """A product of two signs per layer has a heavier tail than one sign per parameter, but layers average it."""
    gradients, pieces, rows = made_pieces(*["linear"] * 8)
    length = float(gradients[0].square().sum())
    found = []
    for seed in range(200):
        projected, _ = FactoredProjection(64, seed).project(pieces, rows)
        found.append(float(projected[0].square().sum()) / length)
    assert np.std(found) < 1.7 * np.sqrt(2 / 64)
