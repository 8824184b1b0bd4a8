import pytest
import torch
from torch import nn

from gradtag_core.gradients.passes import concatenated, logits_and_pieces_by_passes
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces
from gradtag_core.gradients.pieces import EmbeddingPieces, ExplicitPieces, OuterPieces
from gradtag_core.gradients.projection import make_projection
from tests.gradients.plain_loop import Summed, loop_gradients, multitask

EXAMPLES = torch.tensor([0, 0, 0, 2, 3, 3, 5, 5, 5, 6])
TASKS = torch.tensor([0, 1, 2, 1, 0, 2, 2, 1, 0, 0])


class Padded:
    """Examples of one to four positions, of which the rest is zero: a batch is as long as its longest."""

    def __init__(self, width):
        self.values = torch.randn(7, 4, width, generator=torch.Generator().manual_seed(0)).double()
        for example, length in enumerate(self.lengths(torch.arange(7))):
            self.values[example, length:] = 0

    def __len__(self):
        return 7

    nbytes = 0

    def lengths(self, examples):
        return examples % 4 + 1

    def __getitem__(self, examples):
        return self.values[examples, : int(self.lengths(examples).max())]


class Total(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = layers

    def forward(self, inputs):
        return self.layers(inputs).sum(1)


MODELS = {
    "short": lambda: multitask(Total(nn.Sequential(nn.Linear(40, 30, bias=False), nn.Tanh())), 30),
    "long": lambda: multitask(Total(nn.Sequential(nn.Linear(40, 2, bias=False), nn.Tanh())), 2),
    "vectors": lambda: multitask(Summed(nn.Linear(40, 5), nn.Tanh(), nn.Linear(5, 6)), 6),
}


@pytest.mark.parametrize("most_examples", [1, 2, 3, 10])
@pytest.mark.parametrize("name", MODELS)
def test_passes_of_any_size_give_the_gradients_of_a_loop(name, most_examples):
    model, inputs = MODELS[name](), Padded(40)
    if name == "vectors":
        inputs = inputs.values[:, 0]
    logits, pieces = logits_and_pieces_by_passes(model, inputs, EXAMPLES, TASKS, most_examples)
    whole = inputs[torch.arange(7)][EXAMPLES]
    torch.testing.assert_close(logits, model(whole).detach()[torch.arange(10), TASKS])
    found = torch.cat([piece.gradients() for piece in pieces], dim=1)
    torch.testing.assert_close(found, loop_gradients(model, whole, TASKS))
    assert [piece.offset for piece in pieces] == sorted(piece.offset for piece in pieces)


@pytest.mark.parametrize("parameters", ["all", "backbone"])
def test_rows_of_an_example_share_a_pass(parameters):
    model, inputs = MODELS["vectors"](), Padded(40).values[:, 0]
    groups = RowGroups.of(EXAMPLES)
    shared = logits_and_pieces(model, inputs[EXAMPLES[groups.first]], TASKS, parameters, groups)
    apart = logits_and_pieces(model, inputs[EXAMPLES], TASKS, parameters)
    torch.testing.assert_close(shared[0], apart[0])
    for one, other in zip(shared[1], apart[1], strict=True):
        torch.testing.assert_close(one.gradients(), other.gradients())


class Scaled(nn.Module):
    """A layer of a kind that has no short form."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, values):
        return values * self.scale


def test_layers_without_a_short_form_take_part():
    model = multitask(Summed(nn.Linear(40, 5), Scaled()), 5)
    inputs = Padded(40).values[:, 0]
    _, pieces = logits_and_pieces_by_passes(model, inputs, EXAMPLES, TASKS, 3)
    found = torch.cat([piece.gradients() for piece in pieces], dim=1)
    torch.testing.assert_close(found, loop_gradients(model, inputs[EXAMPLES], TASKS))


def test_pieces_after_one_another():
    outer = OuterPieces(4, torch.randn(2, 3, 5), torch.randn(2, 3, 2), False)
    longer = OuterPieces(4, torch.randn(1, 6, 5), torch.randn(1, 6, 2), False)
    tokens = EmbeddingPieces(0, torch.tensor([[1, 2]]), torch.randn(1, 2, 3), 4)
    more = EmbeddingPieces(0, torch.tensor([[0, 3, 3]]), torch.randn(1, 3, 3), 4)
    explicit = ExplicitPieces(4, torch.randn(3, 10))
    for parts in ([outer, longer], [tokens, more], [explicit, outer], [explicit, explicit], [outer]):
        joined = concatenated(parts)
        assert joined.offset == parts[0].offset
        torch.testing.assert_close(joined.gradients(), torch.cat([part.gradients() for part in parts]))


@pytest.mark.parametrize("kind", ["pca", "gaussian", "sjlt", "factored"])
@pytest.mark.parametrize("name", ["short", "long"])
def test_a_row_is_projected_alike_beside_longer_ones(name, kind):
    """The long form of a layer is shorter for a few positions, and projections draw other numbers for it."""
    model, inputs = MODELS[name]().float(), Padded(40)
    inputs.values = inputs.values.float()
    projection = make_projection(kind, 5, 0)

    def project(rows):
        examples = EXAMPLES[rows]
        pieces = logits_and_pieces_by_passes(model, inputs, examples, TASKS[rows], 2)[1]
        return pieces, RowGroups.of(examples)

    everything, one_position = torch.arange(10), torch.arange(3)
    projection.fit([project(everything)])
    together = projection.project(*project(everything))[0]
    torch.testing.assert_close(projection.project(*project(one_position))[0], together[:3])
