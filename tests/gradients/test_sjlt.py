import pytest
import torch

from gradtag_core.gradients.sjlt import SparseProjection
from tests.gradients.made_pieces import made_pieces


@pytest.mark.parametrize(("dim", "nonzeros"), [(10, 4), (7, 2), (2, 4), (1, 4)])
def test_every_parameter_goes_to_a_few_different_columns_and_keeps_its_length(dim, nonzeros):
    _, pieces, rows = made_pieces()
    projection = SparseProjection(dim, 0, nonzeros)
    projection.fit([(pieces, rows)])
    matrix = projection.lift(torch.eye(dim)).T
    assert ((matrix != 0).sum(1) == min(nonzeros, dim)).all()
    torch.testing.assert_close(matrix.square().sum(1), torch.ones(len(matrix)))


def test_columns_are_used_evenly():
    projection = SparseProjection(10, 0)
    columns, entries = projection.blocks(0, 2048, torch.device("cpu"))
    used = torch.bincount(columns.flatten(), minlength=10)
    assert used.min() > 0.5 * used.float().mean()
    assert abs(float(entries.mean())) < 0.05
