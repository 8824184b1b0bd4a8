"""Which device to compute on, and with how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits
from torch import nn

from gradtag_core.errors import InvalidInput


def resolve_device(name: str) -> torch.device:
    """`auto` is CUDA where there is one, else the CPU; asking for an absent CUDA device is an error."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InvalidInput(f"`device` is `{name}`, but torch finds no CUDA device here; use `cpu` or `auto`.")
    return torch.device(name)


def moved(model: nn.Module, device: torch.device) -> nn.Module:
    """The model on a device, without moving pretrained weights that it shares with others."""
    if device.type == "cpu":
        return model
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        return model.to(device)
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(before)


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Run a block with at most `threads` threads for linear algebra, in torch and in numpy (0: as it is)."""
    before = torch.get_num_threads()
    with threadpool_limits(limits=threads or None):
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)
