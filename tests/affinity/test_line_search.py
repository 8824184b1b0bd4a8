import torch
from hypothesis import given
from hypothesis import strategies as st

from gradtag_core.affinity.line_search import SLOPE_LEFT, step_to_flat


@given(st.lists(st.floats(-6, 6), min_size=1, max_size=5), st.floats(0.01, 20))
def test_finds_the_flat_part_of_convex_functions_however_far(log_distances, sharpness):
    """Slopes tanh(sharpness (t / distance - 1)), each with its root at its own distance."""
    distance = torch.tensor(log_distances, dtype=torch.float64).exp()
    asked = []

    def slope_at(size):
        asked.append(size)
        return torch.tanh(sharpness * (size / distance - 1))

    start = slope_at(torch.zeros_like(distance))
    size = step_to_flat(slope_at, start)
    assert size is asked[-1]
    assert (slope_at(size).abs() <= SLOPE_LEFT * start.abs()).all()


def test_a_function_that_is_flat_already_does_not_delay_the_others():
    count = 0

    def slope_at(size):
        nonlocal count
        count += 1
        return torch.stack([torch.zeros(()), size[1] - 1])

    step_to_flat(slope_at, torch.tensor([0.0, -1.0]))
    assert count == 1
