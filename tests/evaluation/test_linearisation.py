import json
from dataclasses import dataclass, replace
from threading import Event

import numpy as np
import pytest
import torch
from torch import nn

from gradtag_core.cost import Cost
from gradtag_core.errors import Cancelled, GradTagError, InvalidInput
from gradtag_core.evaluation.linearisation import (
    DISTANCES,
    PAPER,
    FineTuned,
    LinearisationTable,
    directional_derivative,
    linearisation_error,
)
from gradtag_core.models.architecture import Architecture, Layer
from gradtag_core.models.encoder import EncoderArchitecture
from gradtag_core.progress import Reporter
from gradtag_core.tasks.suite import SplitRule, TaskSuite
from gradtag_core.training.trainer import Recipe, Trainer

CPU = torch.device("cpu")
RECIPE = Recipe(epochs=5, learning_rate=0.01, batch_size=16, weighting="rows")


class Quadratic(nn.Module):
    """(w · x)² per task; `shift` is no parameter that counts."""

    def __init__(self, n_features: int, n_tasks: int):
        super().__init__()
        self.weight = nn.Parameter(0.5 * torch.randn(n_tasks, n_features))
        self.shift = nn.Parameter(torch.full((n_tasks,), 100.0), requires_grad=False)

    def forward(self, inputs, tasks=None):
        chosen = range(len(self.weight)) if tasks is None else list(tasks)
        return (inputs @ self.weight[chosen].T) ** 2 + 0 * self.shift[chosen]


class Linear(nn.Module):
    def __init__(self, n_features: int, n_outputs: int):
        super().__init__()
        self.head = nn.Linear(n_features, n_outputs)

    def forward(self, inputs, tasks=None):
        return self.head(inputs) if tasks is None else self.head(inputs)[:, list(tasks)]


@dataclass(frozen=True)
class Plain(Architecture):
    """A made model in place of an encoder and heads."""

    made: type[nn.Module]
    n_features: int
    n_tasks: int
    width: int = 1

    @property
    def outputs(self):
        return (1,) * self.n_tasks

    @property
    def head_width(self):
        return 0

    @property
    def examples_at_once(self):
        return 7

    def to_json(self):
        return {}

    def build(self, seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.made(self.n_features, self.n_tasks)

    def layers(self):
        return [Layer(self.n_features, self.n_tasks)]

    def small(self, width):
        return self

    def inputs_of(self, suite):
        return torch.from_numpy(suite.inputs)


def plain_trainer(suite, made):
    return Trainer(suite, Plain(made, suite.inputs.shape[1], suite.n_tasks), CPU)


def mlp_trainer(suite):
    return Trainer(suite, EncoderArchitecture.of("mlp", suite, 8), CPU)


def judged(trainer, subsets, recipe=RECIPE, **options):
    everything = range(trainer.suite.n_tasks)
    base = trainer.fit(everything, replace(RECIPE, epochs=2), 0)
    return base, linearisation_error(trainer, base, subsets, recipe, **options)


def test_a_linear_model_is_its_own_expansion(small_suite):
    _, table = judged(plain_trainer(small_suite, Linear), [(0, 2), (1, 2, 3)])
    assert max(row.rss for row in table.rows) < 1e-11
    assert max(row.missed for row in table.rows) < 1e-8
    assert min(row.distance for row in table.rows) > 1e-3
    assert table.trust == "full" and "can be trusted" in table.verdict


def test_of_a_quadratic_model_the_error_is_the_square_of_the_step(small_suite):
    """f(θ) − f(θ*) − f'(θ*)Δ = (Δ · x)², in closed form; the parameter that does not train counts nowhere."""
    trainer = plain_trainer(small_suite, Quadratic)
    base, table = judged(trainer, [(1, 3)])
    row = table.rows[-1]
    fine = trainer.fit([1, 3], RECIPE, base.seed, initial=base)
    before, after = (model.weights["weight"].double().numpy() for model in (base, fine))
    assert row.distance == pytest.approx(np.linalg.norm(after - before) / np.linalg.norm(before), rel=1e-6)
    residual = total = change = 0.0
    for task in (1, 3):
        inputs = small_suite.inputs[small_suite.indices("validation", task)].astype(np.float64)
        old, new = inputs @ before[task], inputs @ after[task]
        residual += ((new - old) ** 4).sum()
        total += (new**4).sum()
        change += ((new**2 - old**2) ** 2).sum()
    assert row.rss == pytest.approx(residual / total, rel=1e-4)
    assert row.missed == pytest.approx(residual / change, rel=1e-4)


def test_errors_are_those_of_one_gradient_per_row(small_suite):
    trainer = mlp_trainer(small_suite)
    base, table = judged(trainer, [(0, 2)])
    row = table.rows[-1]
    networks = [model.build(CPU) for model in (base, trainer.fit([0, 2], RECIPE, base.seed, initial=base))]
    parameters = [list(network.parameters()) for network in networks]
    step = [new.detach() - old.detach() for old, new in zip(*parameters, strict=True)]
    rows = small_suite.rows("validation", [0, 2])
    residual = total = change = 0.0
    for example, task in zip(rows.example, rows.task, strict=True):
        inputs = torch.from_numpy(small_suite.inputs[[example]])
        old, new = (network(inputs)[0, int(task)] for network in networks)
        gradient = torch.autograd.grad(old, parameters[0], retain_graph=True)
        slope = sum(float((part * own).sum()) for part, own in zip(gradient, step, strict=True))
        old, new = old.item(), new.item()
        residual += (new - old - slope) ** 2
        total += new**2
        change += (new - old) ** 2
    assert row.rss == pytest.approx(residual / total, rel=1e-3)
    assert row.missed == pytest.approx(residual / change, rel=1e-3)


class Mixed(nn.Module):
    """Convolution, frozen batch norm, slopes, embedding, attention and layer norm in a row."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Sequential(nn.Conv1d(2, 4, 3, padding=1), nn.BatchNorm1d(4), nn.PReLU())
        self.places = nn.Embedding(5, 4)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, inputs, tasks=None):
        hidden = self.convolution(inputs).transpose(1, 2) + self.places(torch.arange(5))
        hidden = nn.functional.gelu(nn.functional.scaled_dot_product_attention(hidden, hidden, hidden))
        outputs = self.head(self.norm(hidden).mean(dim=1))
        return outputs if tasks is None else outputs[:, list(tasks)]


def test_the_derivative_is_that_of_finite_differences():
    network = Mixed().double().eval()
    base = {name: value.detach() for name, value in network.named_parameters()}
    step = {name: torch.randn_like(value) for name, value in base.items()}
    inputs, tasks = torch.randn(6, 2, 5, dtype=torch.double), (2, 0)
    outputs, slope = directional_derivative(network, base, step, inputs, tasks)
    size = 1e-6

    def moved(by):
        values = {name: value + by * step[name] for name, value in base.items()}
        return torch.func.functional_call(network, values, (inputs, tasks))

    torch.testing.assert_close(outputs, network(inputs, tasks))
    torch.testing.assert_close(slope, (moved(size) - moved(-size)) / (2 * size), rtol=1e-5, atol=1e-7)


def test_models_move_farther_and_farther_up_to_those_of_real_training(small_suite):
    _, table = judged(mlp_trainer(small_suite), [(0, 1), (2, 3)])
    assert [row.subset for row in table.rows] == [(0, 1)] * 10 + [(2, 3)] * 10
    for rows in (table.rows[:10], table.rows[10:]):
        distances = [row.distance for row in rows]
        assert distances == sorted(distances)
        assert rows[-1].rss > 100 * rows[0].rss
        assert [row.epochs for row in rows] == [1] * 7 + [2, 4, 5]
        assert [row.complete for row in rows] == [False] * 9 + [True]
    assert table.complete == (table.rows[9], table.rows[19])
    assert table.cost.flops > 0 and table.cost.seconds > 0
    assert table == replace(judged(mlp_trainer(small_suite), [(0, 1), (2, 3)])[1], cost=table.cost)


def test_outputs_of_every_kind_of_task_are_held_out_together():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(200, 4)).astype(np.float32)
    labels = np.stack(
        [inputs[:, 0] > 0, np.digitize(inputs[:, 1], (-0.5, 0.5)), inputs[:, 2]], axis=1
    ).astype(np.float32)
    suite = TaskSuite(
        "mixed", ("yes", "which", "how"), inputs, labels, generator.permutation(200), SplitRule(0.3, 0.3),
        kinds=("binary", "multiclass", "regression"),
    )  # fmt: skip
    _, table = judged(mlp_trainer(suite), [(1, 2), (0, 1, 2)])
    assert all(0 < row.rss < 1 and row.distance > 0 for row in table.rows)


def test_it_can_be_stopped_and_needs_a_subset(small_suite):
    stop = Event()
    stop.set()
    with pytest.raises(InvalidInput, match="`subsets` must hold at least one"):
        judged(mlp_trainer(small_suite), [])
    with pytest.raises(Cancelled):
        judged(mlp_trainer(small_suite), [(0, 1)], reporter=Reporter(cancel=stop))


def test_training_that_diverges_is_told(small_suite):
    with pytest.raises(GradTagError, match=r"step size .* diverged"):
        judged(mlp_trainer(small_suite), [(0, 1)], replace(RECIPE, learning_rate=1e30))


def row(distance, rss=0.01, missed=0.1, complete=False):
    return FineTuned((0, 1), 1, 0.1, complete, distance, rss, missed)


def table_of(*rows):
    return LinearisationTable(rows, Cost(1.0, 2.0, 3))


def test_the_table_stands_beside_that_of_the_paper():
    found = table_of(
        row(0.005, 0.1), row(0.01, 0.3), row(0.0101, 0.5), row(0.17, missed=0.4), row(9.0)
    ).table()
    assert found.distance.tolist() == [*DISTANCES[:10], 0.2, float("inf")]
    assert found.models.tolist() == [2, 1, *[0] * 8, 1, 1]
    assert found.rss[0] == pytest.approx(0.2) and found.rss[1] == 0.5 and np.isnan(found.rss[2])
    assert found.missed[10] == 0.4
    for name, values in PAPER.items():
        paper = found[name].to_numpy()
        assert paper[:10].tolist() == [*values] and np.isnan(paper[10:]).all()


@pytest.mark.parametrize(
    ("rss", "missed", "trust", "words"),
    [
        (0.035, 0.25, "full", "can be trusted here"),
        (0.036, 0.25, "rough", "only rough"),
        (0.01, 0.26, "rough", "only rough"),
        (0.9, 0.5, "rough", "only rough"),
        (0.001, 0.51, "none", "cannot be trusted"),
    ],
)
def test_the_verdict_is_about_models_trained_as_long_as_for_real(rss, missed, trust, words):
    table = table_of(row(0.01, 0.0, 0.0), row(0.1, rss, missed, True), row(0.3, rss, missed, True))
    assert table.trust == trust and words in table.verdict
    assert table.share_near == 0.5
    for figure in ("20%", f"{rss:.1%}", f"{missed:.0%}", "50%", "94%"):
        assert figure in table.verdict


def test_it_reads_back_from_json():
    table = table_of(row(0.01), row(0.2, complete=True))
    assert LinearisationTable.from_json(json.loads(json.dumps(table.to_json()))) == table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": None}, "must be whole"), ({"rows": [{}]}, "must be whole"),
        ({"cost": {"flops": 1, "x": 2}}, "must be whole"),
        ({"rows": [3]}, "must be whole"), ({"cost": {"flops": [[1]]}}, "finite numbers"),
        ({"cost": {"flops": 10**400}}, "finite numbers"),
    ],
)  # fmt: skip
def test_a_stored_table_with_what_was_never_written(change, message):
    with pytest.raises(InvalidInput, match=message):
        LinearisationTable.from_json({"rows": [], "cost": {}, **change})
