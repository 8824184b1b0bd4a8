import torch

from gradtag_core.gradients.identity import IdentityProjection
from tests.gradients.made_pieces import made_pieces
from tests.gradients.reference import ARCHITECTURES, gradients_and_pieces


def test_the_kernel_is_that_of_the_written_out_gradients():
    gradients, pieces, _ = made_pieces(n_copies=3)
    others, other_pieces, _ = made_pieces(n_copies=2, seed=1)
    found = IdentityProjection().gram(pieces, other_pieces)
    torch.testing.assert_close(found, gradients @ others.T, rtol=1e-4, atol=1e-4)


def test_it_agrees_with_gradients_per_sample_of_a_model():
    gradients, pieces, rows = gradients_and_pieces(ARCHITECTURES[0])
    projection = IdentityProjection()
    projected, _ = projection.project(pieces, rows)
    assert projection.dim == gradients.shape[1]
    torch.testing.assert_close(projected, gradients, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(projection.gram(pieces, pieces), gradients @ gradients.T, rtol=1e-4, atol=1e-5)
