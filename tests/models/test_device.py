import torch
from torch import nn

from gradtag_core.models import device as module
from gradtag_core.models.lora import with_shared_weights


class Elsewhere(nn.Linear):
    """A layer that turns to double precision where it would move to another device."""

    def to(self, device):
        return super().to(torch.float64)


def test_a_moved_model_leaves_the_weights_that_it_shares():
    """A number format in place of a device, which may not be there: both replace what a parameter holds."""
    shared = Elsewhere(3, 2)
    copy = with_shared_weights(shared)
    assert copy.weight is shared.weight
    moved = module.moved(copy, torch.device("cuda"))
    assert moved.weight.dtype == torch.float64 and shared.weight.dtype == torch.float32
    assert not torch.__future__.get_overwrite_module_params_on_conversion()
    assert module.moved(shared, torch.device("cpu")) is shared
