"""Gradients of one logit per row, from one batched forward and backward pass.

Hooks keep what each layer saw and the gradient at its outputs; the layers' short forms (`pieces`) follow from these,
and nothing of size (rows, parameters) is made. What hooks cannot account for goes to `torch.func`, row by row: the
autograd graph tells how often every parameter was used, so no use is missed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from gradtag_core.errors import GradTagError, InvalidInput
from gradtag_core.gradients.fallback import explicit_gradients
from gradtag_core.gradients.layers import add, is_supported, join_bias, layer_pieces, shortest
from gradtag_core.gradients.parameters import ChosenParameters, ParameterChoice, choose_parameters
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, Pieces

PROBE_ROWS = 2


@dataclass(frozen=True)
class RowGroups:
    """Which rows belong to one example: `group` (R,) numbers the examples, `slot` (R,) the rows within each,
    `first` (G,) is one row of each example."""

    group: Tensor
    slot: Tensor
    first: Tensor

    @classmethod
    def of(cls, examples: Tensor) -> "RowGroups":
        """Rows must be sorted by example."""
        _, group, sizes = torch.unique_consecutive(examples, return_inverse=True, return_counts=True)
        first = sizes.cumsum(0) - sizes
        return cls(group, torch.arange(len(examples), device=examples.device) - first[group], first)

    @property
    def shape(self) -> tuple[int, int]:
        """Examples, and rows of the example that has most."""
        return len(self.first), int(self.slot.max()) + 1


@dataclass(frozen=True)
class _Call:
    """One call of a layer: its inputs, and where in the autograd graph its output stands (kept as an edge, since a
    later layer may overwrite the output in place)."""

    layer: nn.Module
    inputs: Tensor
    output: GradientEdge | None


# Layers that own chosen parameters; by its name in the layer, the name that a parameter is chosen under.
Owners = dict[nn.Module, dict[str, str]]


def logits_and_pieces(
    model: nn.Module, inputs: Tensor, tasks: Tensor, parameters: ParameterChoice = "all",
    groups: RowGroups | None = None,
) -> tuple[Tensor, list[Pieces]]:  # fmt: skip
    """The logit of task `tasks[r]` for each row r, and its gradient: pieces that cover the chosen parameters in order.

    `inputs` (R, ...), `tasks` (R,) -> logits (R,). Given `groups`, `inputs` (G, ...) has each example once: its rows
    share one forward pass, and there are as many backward passes as the example with most rows has. The gradients of
    layers that `unsupported_layers` names are exact too, but slow and written out. Raises `InvalidInput` when rows mix
    or the logits do not depend on the chosen parameters, `GradTagError` when a gradient is not finite.
    """
    chosen = choose_parameters(model, parameters)
    logits, parts, unseen = _backward(model, chosen, inputs, tasks, groups)
    if unseen:
        values = explicit_gradients(model, unseen, inputs[groups.group] if groups else inputs, tasks)
        parts |= {name: [ExplicitPieces(0, values[name])] for name in unseen}
    pieces = [
        (layer or type(model).__name__, piece)
        for layer, names in groupby(chosen.names, key=_layer_of)
        for piece in _assemble(list(names), parts, chosen, logits)
    ]
    _require_finite(logits, pieces)
    return logits, [piece for _, piece in pieces]


def unsupported_layers(
    model: nn.Module, parameters: ParameterChoice = "all", inputs: Tensor | None = None
) -> tuple[str, ...]:
    """The modules with chosen parameters whose gradients are taken by `torch.func`, because they are of other kinds.

    Given the `inputs` (R, ...) of an example or more, also those that the model uses otherwise than by calling them
    with one entry per row.
    """
    chosen = choose_parameters(model, parameters)
    owners = _owners(model, chosen)
    found = {name for name, layer in model.named_modules() if layer in owners and not is_supported(layer)}
    if inputs is not None:
        tasks = torch.zeros(len(inputs), dtype=torch.long, device=inputs.device)
        found.update(map(_layer_of, _backward(model, chosen, inputs, tasks)[2]))
    return tuple(name or type(model).__name__ for name, _ in model.named_modules() if name in found)


def _backward(
    model: nn.Module, chosen: ChosenParameters, inputs: Tensor, tasks: Tensor, groups: RowGroups | None = None
) -> tuple[Tensor, dict[str, list[Pieces]], list[str]]:
    """Logits (R,); by parameter name its gradient as parts at offset 0, one per use; the parameters that are used in
    other ways than the hooks see, whose parts are not all there."""
    _require_separate_rows(model)
    groups = groups or RowGroups.of(torch.arange(len(tasks), device=tasks.device))
    if len(inputs) == 0 or len(inputs) != len(groups.first):
        raise InvalidInput(
            "`inputs` and `tasks` must have one entry per row, and one row at least; "
            f"they have {len(inputs)} and {len(tasks)}."
        )
    owners = _owners(model, chosen)
    with torch.enable_grad():
        outputs, calls = _forward(model, owners, inputs)
        logits = outputs[groups.group, tasks]
        uses = _uses(logits, chosen)
        if not uses:
            raise InvalidInput(
                "The outputs of `model` must depend on the chosen parameters by differentiable steps; "
                f"those of {type(model).__name__} do not."
            )
        edges = [call.output for call in calls if call.output is not None]
        gradients = iter(_edge_gradients(outputs, edges, tasks, groups))
    by_row = _layers_by_row(model, owners, inputs, calls)
    parts: dict[str, list[Pieces]] = defaultdict(list)
    for call in calls:
        gradient = None if call.output is None else next(gradients)
        if gradient is None or call.layer not in by_row:
            continue
        own = {local: name for local, name in owners[call.layer].items() if local in ("weight", "bias")}
        seen = call.inputs if len(gradient) == len(call.inputs) else call.inputs[groups.group]
        for local, piece in layer_pieces(call.layer, seen, gradient, list(own)).items():
            parts[own[local]].append(piece)
    return logits.detach(), parts, [name for name in chosen.names if len(parts[name]) != uses[name]]


def _edge_gradients(
    outputs: Tensor, edges: Sequence[GradientEdge], tasks: Tensor, groups: RowGroups
) -> list[Tensor | None]:
    """The gradient of each row's logit at each edge: (R, ...). One backward pass takes one row of every example."""
    if not edges:
        return []
    logits = outputs[groups.group, tasks]
    passes = []
    n_slots = groups.shape[1]
    for slot in range(n_slots):
        rows = (groups.slot == slot).nonzero().squeeze(1)
        passes.append(
            (
                rows,
                torch.autograd.grad(
                    logits[rows].sum(), edges, retain_graph=slot < n_slots - 1, allow_unused=True
                ),
            )
        )
    if n_slots == 1:
        return list(passes[0][1])
    found: list[Tensor | None] = []
    for parts in zip(*(gradients for _, gradients in passes), strict=True):
        known = [part for part in parts if part is not None]
        total = known[0].new_zeros(len(tasks), *known[0].shape[1:]) if known else None
        for (rows, _), part in zip(passes, parts, strict=True):
            if total is not None and part is not None:
                total[rows] = part[groups.group[rows]]
        found.append(total)
    return found


def _owners(model: nn.Module, chosen: ChosenParameters) -> Owners:
    names = {parameter: name for name, parameter in chosen.by_name.items()}
    owners: Owners = {}
    for layer in model.modules():
        own = {
            local: names[parameter]
            for local, parameter in layer.named_parameters(recurse=False, remove_duplicate=False)
            if parameter in names
        }
        if own:
            owners[layer] = own
    return owners


def _layer_of(name: str) -> str:
    return name.rpartition(".")[0]


def _forward(model: nn.Module, layers: Iterable[nn.Module], inputs: Tensor) -> tuple[Tensor, list[_Call]]:
    """The model's outputs, and every call of those `layers` that have a short form."""
    calls: list[_Call] = []

    def keep(layer: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Tensor) -> None:
        seen = (*arguments, *keywords.values())[0]
        edge = get_gradient_edge(output) if output.requires_grad else None
        calls.append(_Call(layer, seen.detach(), edge))

    handles = [layer.register_forward_hook(keep, with_kwargs=True) for layer in layers if is_supported(layer)]
    try:
        return model(inputs), calls
    finally:
        for handle in handles:
            handle.remove()


def _layers_by_row(
    model: nn.Module, layers: Iterable[nn.Module], inputs: Tensor, calls: Sequence[_Call]
) -> set[nn.Module]:
    """The layers whose calls all have one entry per row, found by running another number of rows: a sequence as long
    as the batch, or position embeddings without rows, would pass for one otherwise."""
    n_rows = PROBE_ROWS + (len(inputs) == PROBE_ROWS)
    with torch.no_grad():
        _, probed = _forward(model, layers, inputs[torch.arange(n_rows, device=inputs.device) % len(inputs)])
    lengths = defaultdict(list), defaultdict(list)
    for found, some in zip(lengths, (calls, probed), strict=True):
        for call in some:
            found[call.layer].append(call.inputs.shape[:1])
    full, few = lengths
    return {
        layer
        for layer, found in full.items()
        if found == [(len(inputs),)] * len(found) and few[layer] == [(n_rows,)] * len(found)
    }


def _uses(logits: Tensor, chosen: ChosenParameters) -> Counter[str]:
    """How often each chosen parameter enters the autograd graph of the logits."""
    names = {id(parameter): name for name, parameter in chosen.by_name.items()}
    found: Counter[str] = Counter()
    to_visit = [logits.grad_fn] if logits.grad_fn else []
    visited = set(to_visit)
    while to_visit:
        for node, _ in to_visit.pop().next_functions:
            name = names.get(id(getattr(node, "variable", None)))
            if name is not None:
                found[name] += 1
            elif node is not None and node not in visited:
                visited.add(node)
                to_visit.append(node)
    return found


def _assemble(
    names: list[str], parts: Mapping[str, list[Pieces]], chosen: ChosenParameters, logits: Tensor
) -> list[Pieces]:
    """The pieces of one layer: weight and bias together where they can be, neighbours that are written out as one."""
    pieces: list[Pieces] = []
    while names:
        name = names.pop(0)
        joined = join_bias(parts[name], parts[names[0]]) if names else None
        if joined is not None:
            names.pop(0)
        elif parts[name]:
            joined = add(parts[name])
        else:
            joined = _zeros(logits, chosen.by_name[name].numel())
        found = shortest(replace(joined, offset=chosen.offsets[name]))
        before = pieces[-1] if pieces else None
        if isinstance(before, ExplicitPieces) and isinstance(found, ExplicitPieces):
            pieces.pop()
            found = ExplicitPieces(before.offset, torch.cat([before.values, found.values], dim=1))
        pieces.append(found)
    return pieces


def _zeros(logits: Tensor, size: int) -> EmbeddingPieces:
    """The gradient of parameters that no logit depends on, in the space of one number per row."""
    ids = torch.zeros(len(logits), 1, dtype=torch.long, device=logits.device)
    return EmbeddingPieces(0, ids, torch.zeros_like(logits)[:, None, None], size)


def _require_separate_rows(model: nn.Module) -> None:
    for name, layer in model.named_modules():
        if isinstance(layer, _BatchNorm | _DropoutNd) and layer.training:
            raise InvalidInput(
                "`model` must be in evaluation mode for gradients per row (call `model.eval()`): "
                f"layer `{name}` ({type(layer).__name__}) is in training mode."
            )
        if isinstance(layer, _BatchNorm) and layer.running_mean is None:
            raise InvalidInput(
                f"`model` must not mix rows: layer `{name}` ({type(layer).__name__}) keeps no running statistics and "
                "normalises by the batch. Use `track_running_stats=True`, or a layer or group norm."
            )


def _require_finite(logits: Tensor, pieces: Sequence[tuple[str, Pieces]]) -> None:
    tensors = [(layer, tensor) for layer, piece in pieces for tensor in _stored(piece)]
    if torch.stack([logits.sum(), *(tensor.sum() for _, tensor in tensors)]).isfinite().all():
        return
    for layer, tensor in tensors:
        if not tensor.isfinite().all():
            raise GradTagError(
                f"The gradient of layer `{layer}` is not finite: the model diverged, or its inputs are not finite."
            )
    if not logits.isfinite().all():
        raise GradTagError(
            "The logits of the model are not finite: it diverged, or its inputs are not finite."
        )


def _stored(pieces: Pieces) -> list[Tensor]:
    values = vars(pieces).values()
    return [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]
