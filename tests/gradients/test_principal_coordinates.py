import pytest
import torch

from gradtag_core.gradients import principal_coordinates as module
from gradtag_core.gradients.principal_coordinates import moments_of
from tests.gradients.made_pieces import FORMS, made_pieces


def found_moments(layer, *parts):
    moments = moments_of(layer)
    for part in parts or (layer,):
        moments.add(part)
    moments.diagonalise()
    return moments


def chosen(layer, share):
    """The coordinates of most energy, about `share` of all."""
    moments = found_moments(layer)
    energies = moments.energies()
    n_chosen = max(1, int(share * len(energies)))
    threshold = energies.sort(descending=True).values[n_chosen - 1] if len(energies) else torch.tensor(0.0)
    return moments.choose(threshold)


@pytest.mark.parametrize("n_copies", [1, 20])  # few rows leave directions without energy, which must not mix
@pytest.mark.parametrize("share", [0.3, 1.0])
@pytest.mark.parametrize("form", FORMS)
def test_coordinates_are_orthonormal_and_read_what_they_lift(form, share, n_copies):
    gradients, (layer,), rows = made_pieces(form, n_copies=n_copies)
    coordinates = chosen(layer, share)
    directions = coordinates.lift(torch.eye(coordinates.n_coordinates))
    identity = torch.eye(coordinates.n_coordinates)
    torch.testing.assert_close(directions @ directions.T, identity, rtol=1e-4, atol=1e-4)
    read, _ = coordinates.read(layer, rows)
    torch.testing.assert_close(read, gradients @ directions.T, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_all_coordinates_hold_all_energy(form):
    gradients, (layer,), rows = made_pieces(form, n_copies=20)
    read, _ = chosen(layer, 1.0).read(layer, rows)
    torch.testing.assert_close(read.square().sum(1), gradients.square().sum(1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("form", FORMS)
def test_moments_are_the_same_in_parts(form):
    _, (layer,), _ = made_pieces(form, n_copies=20)
    parts = [layer.select(part) for part in torch.arange(len(layer)).split(33)]
    torch.testing.assert_close(
        found_moments(layer, *parts).energies(), found_moments(layer).energies(), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("form", ["linear", "positions", "embedding", "padded", "scale", "explicit"])
def test_energies_add_up_to_that_of_the_gradients_if_positions_are_independent(form):
    """So that layers of different forms, and with different numbers of positions, compete fairly."""
    gradients, (layer,), _ = made_pieces(form, n_copies=400)
    total = float(found_moments(layer).energies().sum())
    assert total == pytest.approx(float(gradients.square().sum(1).mean()), rel=0.05)


def test_chunks_of_rows_change_nothing(monkeypatch):
    _, (layer,), rows = made_pieces("positions", n_copies=3)
    coordinates = chosen(layer, 0.5)
    whole, _ = coordinates.read(layer, rows)
    monkeypatch.setattr(module, "CHUNK_ENTRIES", 1)
    assert torch.equal(coordinates.read(layer, rows)[0], whole)
