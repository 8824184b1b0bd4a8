"""What a module that is only known by running it is made of, and what a pass costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge, saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.errors import InvalidInput
from gradtag_core.models.architecture import Layer

PRODUCTS = (nn.Linear, nn.Conv1d, nn.Conv2d)


@dataclass(frozen=True)
class Measured:
    """Of one example: FLOPs of a forward pass, of carrying a gradient back to the outputs of the layers, and of a
    training step; the numbers kept for the backward pass; the products with trained weights."""

    forward_flops: float
    backward_flops: float
    step_flops: float
    kept_numbers: int
    layers: tuple[Layer, ...]


def measure_module(
    build: Callable[[int], nn.Module], n_outputs: int, probe: Tensor
) -> tuple[Measured, list[tuple[str, list[int], bool]]]:
    """What `build(n_outputs)` costs, on the first rows of `probe` (three examples); and the name, the shape and
    whether it is trained of each parameter.

    Raises `InvalidInput` where the module cannot be a model: no new one at each call or not the same weights from the
    same seed, outputs of another shape or kind, rows that mix, nothing that is trained.
    """
    module, again = (_built(build, n_outputs) for _ in range(2))
    _require_same_start(module, again)
    facts = [(name, list(value.shape), value.requires_grad) for name, value in module.named_parameters()]
    if not any(trained for *_, trained in facts):
        raise InvalidInput(
            "`build` must make a module with a parameter that requires a gradient; found none."
        )
    module.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with torch.no_grad():
            outputs = module(probe)
            _require_outputs(outputs, len(probe), n_outputs)
            _require_separate_rows(outputs, module(probe[[0, 2, 2]]))
        return _measure(module, probe[:2]), facts


def _built(build: Callable[[int], nn.Module], n_outputs: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = build(n_outputs)
    if not isinstance(module, nn.Module):
        raise InvalidInput(f"`build` must return a torch module; found {type(module).__name__}.")
    return module


def _require_same_start(module: nn.Module, again: nn.Module) -> None:
    first, second = dict(module.named_parameters()), dict(again.named_parameters())
    shared = [name for name, value in first.items() if value.requires_grad and value is second.get(name)]
    if shared:
        raise InvalidInput(
            f"`build` must make a new module at each call; two calls gave the same parameter `{shared[0]}`, so that "
            "each training would go on from the one before."
        )
    for name, value in first.items():
        if name not in second or not torch.equal(value, second[name]):
            raise InvalidInput(
                f"`build` must give the same weights from the same seed of torch (`torch.manual_seed`); two calls gave "
                f"different values of `{name}`. Draw them from torch's generator."
            )


def _require_outputs(outputs: Any, n_rows: int, n_outputs: int) -> None:
    if not isinstance(outputs, Tensor):
        raise InvalidInput(
            f"`build` must make a module that returns a tensor; found {type(outputs).__name__}. Take the tensor of "
            "outputs from it."
        )
    if outputs.shape != (n_rows, n_outputs) or outputs.dtype != torch.float32:
        raise InvalidInput(
            f"`build` must make a module whose outputs for {n_rows} examples are float32 of shape "
            f"{(n_rows, n_outputs)}, one column per output of a task; found {outputs.dtype} of shape "
            f"{tuple(outputs.shape)}."
        )


def _require_separate_rows(outputs: Tensor, others: Tensor) -> None:
    if not torch.allclose(outputs[0], others[0], rtol=1e-3, atol=1e-5):
        raise InvalidInput(
            "`build` must make a module that treats each row alone in evaluation mode; the outputs of the first "
            "example change with the other rows of its batch, or by chance. Use batch norms with "
            "`track_running_stats=True`, or a layer or group norm."
        )


def _measure(module: nn.Module, inputs: Tensor) -> Measured:
    layers: dict[nn.Module, Layer] = {}
    targets: list[Any] = []  # edges of the graph, and parameters of layers that give no tensor
    kept = 0
    constants = [
        value for value in (*module.parameters(), *module.buffers()) if value.layout is torch.strided
    ]
    stored = {value.untyped_storage().data_ptr() for value in constants}

    def see(layer: nn.Module, arguments: tuple[Any, ...], output: Any) -> None:
        own = [value for value in layer.parameters(recurse=False) if value.requires_grad]
        if not own:
            return
        is_edge = isinstance(output, Tensor) and output.requires_grad
        targets.extend([get_gradient_edge(output)] if is_edge else own)
        if isinstance(layer, PRODUCTS) and layer.weight.requires_grad:
            n_out, n_in = len(layer.weight), layer.weight[0].numel()
            before = layers[layer].positions if layer in layers else 0
            layers[layer] = Layer(n_in, n_out, before + output.numel() // (len(inputs) * n_out))

    def keep(tensor: Tensor) -> Tensor:
        nonlocal kept
        if tensor.layout is torch.strided and tensor.untyped_storage().data_ptr() not in stored:
            kept += tensor.numel()
        return tensor

    handles = [layer.register_forward_hook(see) for layer in module.modules()]
    with torch.enable_grad(), _plain_products():
        with saved_tensors_hooks(keep, lambda tensor: tensor), FlopCounterMode(display=False) as forward:
            total = module(inputs).sum()
        for handle in handles:
            handle.remove()
        with FlopCounterMode(display=False) as backward:
            if targets:
                torch.autograd.grad(total, targets, retain_graph=True, allow_unused=True)
        with FlopCounterMode(display=False) as gradients:
            total.backward()
    ahead, back, weight_part = (
        counter.get_total_flops() / len(inputs) for counter in (forward, backward, gradients)
    )
    # What has no product has at least a multiplication and an addition per weight, and no cost is zero.
    least = 2.0 * sum(value.numel() for value in module.parameters() if value.requires_grad)
    return Measured(
        ahead or least, back, ahead + weight_part or 3 * least, kept // len(inputs), tuple(layers.values())
    )


@contextmanager
def _plain_products() -> Iterator[None]:
    """Attention and recurrent layers as products, which are counted; fused kernels may not be."""
    enabled, *_ = torch.backends.mkldnn.set_flags(_enabled=False, _fp32_precision=None)  # type: ignore[arg-type]
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=enabled, _fp32_precision=None)  # type: ignore[arg-type]
