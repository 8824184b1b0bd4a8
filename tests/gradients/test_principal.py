import pytest
import torch

from gradtag_core.errors import GradTagError
from gradtag_core.gradients import principal as module
from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.principal import PrincipalProjection
from tests.gradients.made_pieces import made_pieces
from tests.gradients.reference import ARCHITECTURES, gradients_and_pieces


def fitted(architecture, dim, n_copies=20):
    gradients, pieces, rows = gradients_and_pieces(architecture, n_copies)
    projection = PrincipalProjection(dim)
    projection.fit([(pieces, rows)])
    return gradients, projection.project(pieces, rows)[0]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_with_every_coordinate_it_is_the_principal_component_analysis(architecture, monkeypatch):
    """Against the singular value decomposition of the full gradients: the same energy in every direction."""
    monkeypatch.setattr(module, "SKETCH_PER_DIM", 10**6)
    dim = 6
    gradients, projected = fitted(architecture, dim)
    expected = torch.linalg.svdvals(gradients)[:dim]
    torch.testing.assert_close(torch.linalg.svdvals(projected), expected, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(projected.norm(dim=0), expected, rtol=1e-3, atol=1e-4)


def test_so_it_is_for_gradients_of_every_form(monkeypatch):
    monkeypatch.setattr(module, "SKETCH_PER_DIM", 10**6)
    gradients, pieces, rows = made_pieces(n_copies=20)
    projection = PrincipalProjection(6)
    projection.fit([(pieces, rows)])
    projected, _ = projection.project(pieces, rows)
    expected = torch.linalg.svdvals(gradients)[:6]
    torch.testing.assert_close(projected.norm(dim=0), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_with_every_direction_it_keeps_every_inner_product(architecture):
    gradients, projected = fitted(
        architecture, 3 * sum(p.numel() for p in architecture.build(0).parameters())
    )
    torch.testing.assert_close(projected @ projected.T, gradients @ gradients.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_sketch_loses_little(architecture):
    dim = 10
    gradients, projected = fitted(architecture, dim)
    best = torch.linalg.svdvals(gradients)[:dim].square().sum()
    assert projected.square().sum() > 0.9 * best


def test_it_never_invents_energy():
    gradients, projected = fitted(ARCHITECTURES[0], 12)
    assert (projected.square().sum(1) <= gradients.square().sum(1) * (1 + 1e-4)).all()


def test_more_dimensions_extend_fewer(monkeypatch):
    monkeypatch.setattr(module, "SKETCH_PER_DIM", 10**6)
    (_, few), (_, many) = fitted(ARCHITECTURES[0], 4), fitted(ARCHITECTURES[0], 8)
    torch.testing.assert_close(many[:, :4].abs(), few.abs(), rtol=1e-3, atol=1e-4)


def test_a_fit_in_batches_finds_the_same_directions():
    gradients, pieces, rows = made_pieces("linear", "positions", "slope", "scale", n_copies=30)
    whole, parts = PrincipalProjection(8), PrincipalProjection(8)
    whole.fit([(pieces, rows)])
    parts.fit(
        [
            ([layer.select(part) for layer in pieces], RowGroups.of(rows.group[part]))
            for part in torch.arange(len(gradients)).split(41)
        ]
    )
    first, second = (each.project(pieces, rows)[0] for each in (whole, parts))
    torch.testing.assert_close(second.abs(), first.abs(), rtol=1e-3, atol=1e-3)


def test_columns_without_a_direction_are_zero_and_lift_to_nothing():
    _, pieces, rows = made_pieces("scale")
    projection = PrincipalProjection(8)
    projection.fit([(pieces, rows)])
    projected, _ = projection.project(pieces, rows)
    assert projected.shape == (7, 8)
    assert not projected[:, 5:].any()
    assert not projection.lift(torch.eye(8))[5:].any()


def test_projecting_before_fitting_is_refused():
    _, pieces, rows = gradients_and_pieces(ARCHITECTURES[0])
    with pytest.raises(GradTagError, match="fitted"):
        PrincipalProjection(3).project(pieces, rows)
