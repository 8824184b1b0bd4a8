"""What every kind of projection promises, on pieces of every form."""

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

from gradtag_core.config import ProjectionKind
from gradtag_core.errors import GradTagError
from gradtag_core.gradients.per_example import RowGroups
from gradtag_core.gradients.projection import Projection, make_projection
from tests.gradients.made_pieces import FORMS, made_pieces

KINDS: tuple[ProjectionKind, ...] = get_args(ProjectionKind)
RANDOM: tuple[ProjectionKind, ...] = ("gaussian", "rademacher", "sjlt", "factored")


def fitted(kind, dim, pieces, rows, seed=0):
    projection = make_projection(kind, dim, seed)
    projection.fit([(pieces, rows)])
    return projection


@pytest.mark.parametrize("forms", [(), *((form,) for form in FORMS)], ids=lambda forms: "+".join(forms))
@pytest.mark.parametrize("kind", KINDS)
def test_a_lift_has_the_inner_products_that_the_weights_have(kind, forms):
    """g · P w = φ · w, and so φ = g P with the P that lifting unit vectors gives."""
    gradients, pieces, rows = made_pieces(*forms, n_copies=4)
    projection = fitted(kind, 9, pieces, rows)
    assert isinstance(projection, Projection)
    projected, flops = projection.project(pieces, rows)
    weights = torch.randn(projection.dim, 3)
    lifted = projection.lift(weights)
    assert lifted.shape == (3, gradients.shape[1])
    torch.testing.assert_close(gradients @ lifted.T, projected @ weights, rtol=1e-4, atol=1e-4)
    matrix = projection.lift(torch.eye(projection.dim)).T
    torch.testing.assert_close(projected, gradients @ matrix, rtol=1e-4, atol=1e-4)
    assert flops > 0


@pytest.mark.parametrize("kind", KINDS)
def test_rows_do_not_depend_on_the_others_of_their_batch(kind):
    _, pieces, rows = made_pieces(n_copies=4)
    projection = fitted(kind, 9, pieces, rows)
    whole, _ = projection.project(pieces, rows)
    for part in torch.arange(len(whole)).split(5):
        some = [layer.select(part) for layer in pieces]
        found, _ = projection.project(some, RowGroups.of(rows.group[part]))
        torch.testing.assert_close(found, whole[part], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_it_follows_from_its_seed_however_little_memory_it_has(kind):
    _, pieces, rows = made_pieces(n_copies=2)
    first, again = (fitted(kind, 9, pieces, rows) for _ in range(2))
    again.block_bytes = 0
    expected, _ = first.project(pieces, rows)
    found, _ = again.project(pieces, rows)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    weights = torch.randn(first.dim, 2)
    torch.testing.assert_close(again.lift(weights), first.lift(weights), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", RANDOM)
def test_inner_products_are_kept_on_average(kind):
    """The mean of P Pᵀ over seeds is I, entry by entry, to the accuracy that the number of seeds allows."""
    dim, n_seeds = 16, 200
    _, pieces, rows = made_pieces("linear", "embedding", "scale")
    total = 0.0
    for seed in range(n_seeds):
        matrix = fitted(kind, dim, pieces, rows, seed).lift(torch.eye(dim)).T
        total = matrix @ matrix.T + total
    assert (total / n_seeds - torch.eye(len(matrix))).abs().max() < 5.5 * np.sqrt(2 / (dim * n_seeds))


@pytest.mark.parametrize("kind", RANDOM)
def test_the_error_of_an_inner_product_falls_as_the_root_of_the_dimension(kind):
    gradients, pieces, rows = made_pieces()
    exact = float(gradients[0] @ gradients[3])
    dims = [8, 32, 128]
    spread = []
    for dim in dims:
        projected = [fitted(kind, dim, pieces, rows, seed).project(pieces, rows)[0] for seed in range(120)]
        products = np.array([float(each[0] @ each[3]) for each in projected])
        assert abs(products.mean() - exact) < 5 * products.std() / np.sqrt(len(products))
        spread.append(products.std())
    slope = np.polyfit(np.log(dims), np.log(spread), 1)[0]
    assert slope == pytest.approx(-0.5, abs=0.1)


@pytest.mark.parametrize("kind", RANDOM)
def test_seeds_differ(kind):
    _, pieces, rows = made_pieces()
    first, other = (fitted(kind, 9, pieces, rows, seed).project(pieces, rows)[0] for seed in (0, 1))
    assert (first - other).abs().min() > 0


@pytest.mark.parametrize("kind", RANDOM)
@pytest.mark.parametrize("forms", [("linear", "explicit"), ("positions", "embedding"), ()])
def test_principal_directions_keep_more_energy_than_random_ones_do(kind, forms):
    """Energy within the row space, where both are orthogonal projections of it: pca against the random columns."""
    gradients, pieces, rows = made_pieces(*forms, n_copies=20)
    dim = 12
    principal, _ = fitted("pca", dim, pieces, rows).project(pieces, rows)
    for seed in range(5):
        columns = torch.linalg.qr(fitted(kind, dim, pieces, rows, seed).lift(torch.eye(dim)).T)[0]
        assert principal.square().sum() > 1.2 * (gradients @ columns).square().sum()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "identity"])
def test_lifting_before_any_gradient_was_seen_is_refused(kind):
    with pytest.raises(GradTagError, match="fitted"):
        make_projection(kind, 3, 0).lift(torch.eye(3))


@pytest.mark.gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_projects_and_lifts_as_the_processor_does(kind):
    """The same P for the random kinds; principal directions may turn round."""
    _, pieces, rows = made_pieces(n_copies=4)
    moved = [
        replace(
            layer,
            **{name: part.cuda() for name, part in vars(layer).items() if isinstance(part, torch.Tensor)},
        )
        for layer in pieces
    ]
    groups = RowGroups(rows.group.cuda(), rows.slot.cuda(), rows.first.cuda())
    expected, found = fitted(kind, 9, pieces, rows), fitted(kind, 9, moved, groups)
    here, there = expected.project(pieces, rows)[0], found.project(moved, groups)[0].cpu()
    torch.testing.assert_close(there @ there.T, here @ here.T, rtol=1e-3, atol=1e-3)
    lifted = found.lift(torch.eye(found.dim, device="cuda")).cpu()
    gradients = torch.cat([layer.gradients() for layer in pieces], dim=1)
    torch.testing.assert_close(gradients @ lifted.T, there, rtol=1e-3, atol=1e-3)
