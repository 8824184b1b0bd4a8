import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.nn import GCNConv, GINConv, SAGEConv

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.per_example import unsupported_layers
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.models.gnn import GCN, GIN, GraphSAGE
from gradtag_core.models.neighbourhoods import make_neighbourhoods
from gradtag_core.tasks.suite import TaskSuite
from tests.gradients.plain_loop import assert_equal_to_loop, multitask

ENCODERS = {"gcn": GCN, "sage": GraphSAGE, "gin": GIN}
N_NODES, N_FEATURES, WIDTH = 40, 5, 6


def network(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features and edges of a random graph; the last node has no neighbours."""
    rng = np.random.default_rng(seed)
    pairs = np.array([(low, high) for high in range(N_NODES - 1) for low in range(high)])
    features = rng.standard_normal((N_NODES, N_FEATURES)).astype(np.float32)
    return features, pairs[rng.random(len(pairs)) < 0.15]


def rows(kind: str, fan_out: int) -> torch.Tensor:
    return make_neighbourhoods(kind, *network(), fan_out)[torch.arange(N_NODES)]  # type: ignore[arg-type]


def layer_of_torch_geometric(kind: str, ours: nn.Sequential, n_in: int) -> nn.Module:
    """The layer on whole graphs, with the weights of one of ours."""
    first = ours[0]
    assert isinstance(first, nn.Linear)
    if kind == "gin":
        return GINConv(ours)
    if kind == "gcn":
        conv = GCNConv(n_in, WIDTH)
        conv.load_state_dict({"lin.weight": first.weight, "bias": first.bias})
        return nn.ModuleList([conv, ours[1]])
    conv = SAGEConv(n_in, WIDTH)
    own, around = first.weight.split(n_in, dim=1)
    conv.load_state_dict({"lin_r.weight": own, "lin_l.weight": around, "lin_l.bias": first.bias})
    return nn.ModuleList([conv, ours[1]])


@pytest.mark.parametrize("kind", ENCODERS)
def test_with_all_neighbours_drawn_it_is_the_network_on_the_whole_graph(kind):
    """The layers of torch_geometric, with messages along all edges and the norm by true degrees."""
    inputs = rows(kind, N_NODES)
    torch.manual_seed(0)
    ours = ENCODERS[kind](tuple(inputs.shape[1:]), WIDTH)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    features, edges = network()
    both_ways = torch.from_numpy(np.concatenate([edges, edges[:, ::-1]]).T.copy())
    hidden = torch.from_numpy(features)
    for layer, n_in in ((ours.first, N_FEATURES), (ours.second, WIDTH)):
        theirs = layer_of_torch_geometric(kind, layer, n_in)
        parts = theirs if isinstance(theirs, nn.ModuleList) else [theirs]
        hidden = parts[0](hidden, both_ways)
        for bend in parts[1:]:
            hidden = bend(hidden)
    torch.testing.assert_close(ours(inputs), hidden, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS)
def test_gradients_per_row_are_the_loops_and_no_layer_is_slow(kind):
    inputs = rows(kind, 4)[:7].double()
    model = multitask(ENCODERS[kind](tuple(inputs.shape[1:]), WIDTH), WIDTH)
    assert_equal_to_loop(model, inputs, torch.tensor([0, 2, 1, 1, 0, 2, 0]))
    assert unsupported_layers(model, inputs=inputs) == ()


@pytest.mark.parametrize("kind", ENCODERS)
def test_rows_are_separate_and_filled_up_places_do_not_count(kind):
    inputs = rows(kind, 6)
    model = EncoderArchitecture(kind, tuple(inputs.shape[1:]), WIDTH, 3).build(0)
    changed = inputs.clone()
    changed[:, 1:, :-1] += (inputs[:, 1:, -1:] == 0) * 5.0
    assert (changed != inputs).any()
    torch.testing.assert_close(model(changed), model(inputs))
    torch.testing.assert_close(model(inputs[[9, 3]]), model(inputs)[[9, 3]])


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_graph_without_edges_is_refused_and_one_with_few_is_read(kind):
    rng = np.random.default_rng(0)
    features, edges = network()
    labels, order = rng.integers(0, 2, (N_NODES, 2)).astype(np.int8), rng.permutation(N_NODES)
    hops = np.stack([features, features], axis=1)
    with pytest.raises(
        InvalidInput, match=r"`model` must be one that reads `net`: .* a graph with its edges"
    ):
        EncoderArchitecture.of(kind, TaskSuite("net", ("a", "b"), hops, labels, order), WIDTH)
    for some in (edges, edges[:0]):
        suite = TaskSuite("net", ("a", "b"), hops, labels, order, edges=some)
        architecture = EncoderArchitecture.of(kind, suite, WIDTH)
        assert architecture.build(0)(architecture.inputs_of(suite)[torch.tensor([3, 4])]).shape == (2, 2)
