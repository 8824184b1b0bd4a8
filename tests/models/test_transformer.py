import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gradtag_core.errors import InvalidInput
from gradtag_core.gradients.features import Featurizer
from gradtag_core.gradients.per_example import RowGroups, logits_and_pieces, unsupported_layers
from gradtag_core.gradients.projection import make_projection
from gradtag_core.training.trainer import Recipe, Trainer, trained_state
from tests.gradients.plain_loop import assert_equal_to_loop
from tests.models.tiny_models import (
    architecture,
    image_suite,
    instruction_suite,
    save_model,
    text_suite,
    trained,
)

CPU = torch.device("cpu")
TEXT = ["bert", "roberta", "electra", "mpnet", "distilbert", "albert", "t5"]
IMAGE = ["vit", "deit", "convnext"]
ANSWERING = ["t5", "gated_t5", "bart"]


def suite_for(kind):
    if kind.startswith("told:"):
        return instruction_suite(), kind.removeprefix("told:")
    return (image_suite() if kind in IMAGE else text_suite()), kind


ALL = [*TEXT, *IMAGE, *(f"told:{kind}" for kind in ANSWERING)]


@pytest.fixture(params=ALL)
def model_and_suite(request, tmp_path):
    suite, kind = suite_for(request.param)
    return save_model(kind, tmp_path), suite


@pytest.mark.parametrize("trained_layers", [0, 1, 2])
def test_counts_equal_those_of_the_built_model(model_and_suite, trained_layers):
    """At a fixed length: what a pass forward, and a step of training, cost."""
    folder, suite = model_and_suite
    found = architecture(suite, folder, trained_layers=trained_layers)
    model = found.build(0)
    inputs = found.inputs_of(suite)
    lengths = inputs.lengths(torch.arange(suite.n_examples))
    example = inputs[(lengths == lengths.max()).nonzero()[0]].repeat_interleave(3, dim=0)
    found = replace(found, positions=int(lengths.max()))
    with FlopCounterMode(display=False) as forward:
        model(example, [0, 1])
    assert forward.get_total_flops() / 3 == pytest.approx(found.forward_flops(2), rel=0.01)
    with FlopCounterMode(display=False) as step:
        model(example, [0, 1]).sum().backward()
    assert step.get_total_flops() / 3 == pytest.approx(found.step_flops(2), rel=0.01)


@pytest.mark.parametrize("trained_layers", [0, 1])
def test_gradients_per_row_are_those_of_a_loop(model_and_suite, trained_layers):
    folder, suite = model_and_suite
    found = architecture(suite, folder, trained_layers=trained_layers)
    model = trained(found)
    examples, tasks = torch.tensor([0, 0, 0, 1, 4, 7, 7]), torch.tensor([0, 1, 1, 0, 1, 0, 1])
    inputs = found.inputs_of(suite)[examples]
    assert_equal_to_loop(model, inputs, tasks, tolerance=1e-4)
    assert_equal_to_loop(model, inputs, tasks, "backbone", tolerance=1e-4)
    assert unsupported_layers(model, "all", inputs) == ()
    assert unsupported_layers(model, "all", inputs[:1]) == ()


def test_the_cut_model_is_the_whole_one(model_and_suite):
    """What lies below the adapters is computed once, and changes nothing."""
    folder, suite = model_and_suite
    cut, whole = (
        replace(architecture(suite, folder, trained_layers=1), trained_layers=layers) for layers in (1, 99)
    )
    if not cut.is_cut:
        assert (cut.warnings and folder in cut.warnings[0]) or "tiny" in suite.name or suite.choices
        return
    assert not whole.is_cut
    examples = torch.arange(12)
    states, raw = cut.inputs_of(suite), whole.inputs_of(suite)
    assert states[examples].shape[1] == int(raw.lengths(examples).max())
    with torch.no_grad():
        torch.testing.assert_close(
            cut.encoder(cut.frozen())(states[examples]), whole.encoder(whole.frozen())(raw[examples]),
            atol=1e-5, rtol=1e-5,
        )  # fmt: skip
    # Adapters too: those of the last layer alone are the same in both.
    model, other = trained(cut), replace(cut, pretrained=whole.pretrained).build(0)
    other.load_state_dict(trained_state(model), strict=False)
    torch.testing.assert_close(model(states[examples]), other.eval()(states[examples]))


def test_rows_do_not_depend_on_what_they_are_batched_with(model_and_suite):
    folder, suite = model_and_suite
    found = architecture(suite, folder, trained_layers=1)
    model, inputs = trained(found), found.inputs_of(suite)
    examples = torch.arange(suite.n_examples)
    with torch.no_grad():
        together = model(inputs[examples])
        alone = torch.cat([model(inputs[examples[row : row + 1]]) for row in range(12)])
        grouped = model(torch.cat([inputs[examples]] * 3))
    torch.testing.assert_close(together[:12], alone, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(grouped, together.repeat(3, 1), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(model(inputs[examples], [1, 0]), together[:, [1, 0]], atol=1e-5, rtol=1e-5)


def test_a_seed_is_a_model_and_training_keeps_what_it_trained(model_and_suite):
    folder, suite = model_and_suite
    found = architecture(suite, folder, trained_layers=1)
    before = torch.get_rng_state()
    one, same, other = (trained_state(found.build(seed)) for seed in (0, 0, 1))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)
    buffers = {name for name, _ in found.build(0).named_buffers()}
    assert all("lora_" in name or name.startswith("head.") for name in one if name not in buffers)
    trainer = Trainer(suite, found, CPU)
    base = trainer.fit([0, 1], Recipe(2, 0.01, 16, "rows"), 0)
    assert any("lora_B" in name and value.abs().max() > 0 for name, value in base.weights.items())
    scores = trainer.score(base, [0, 1], "validation")
    again = trainer.score(trainer.fit([0, 1], Recipe(2, 0.01, 16, "rows"), 0), [0, 1], "validation")
    assert (scores == again).all()
    json.dumps(found.to_json())


def test_settings_and_weights_tell_architectures_apart(tmp_path):
    suite = text_suite()
    folder = save_model("bert", tmp_path / "a")
    first = architecture(suite, folder)
    assert first.to_json() == architecture(suite, save_model("bert", tmp_path / "b")).to_json()
    changes = {"lora_rank": 2, "trained_layers": 1, "max_tokens": 8}
    others = [architecture(suite, folder, **{name: value}) for name, value in changes.items()]
    others += [first.small(8), first.small(16), architecture(suite, save_model("electra", tmp_path / "c"))]
    described = [json.dumps(each.to_json(), sort_keys=True) for each in (first, *others)]
    assert len(set(described)) == len(described)


def test_a_rank_and_layers_of_the_callers_choice(tmp_path):
    suite = text_suite()
    folder = save_model("bert", tmp_path)
    for layers, n_adapted in ((0, 3), (1, 1), (2, 2), (3, 3), (7, 3)):
        weights = trained_state(architecture(suite, folder, lora_rank=2, trained_layers=layers).build(0))
        factors = [value for name, value in weights.items() if "lora_A" in name]
        assert len(factors) == 2 * n_adapted  # queries and values
        assert all(value.shape[0] == 2 for value in factors)


def test_a_cut_that_is_not_known_is_said(tmp_path):
    suite = text_suite()
    found = architecture(suite, save_model("albert", tmp_path / "albert"), trained_layers=1)
    (warning,) = found.warnings
    assert "`albert`" in warning
    assert architecture(suite, save_model("bert", tmp_path / "bert"), trained_layers=1).warnings == ()


def test_suites_that_a_transformer_cannot_read(tmp_path, small_suite):
    bert, vit = save_model("bert", tmp_path / "bert"), save_model("vit", tmp_path / "vit")
    with pytest.raises(InvalidInput, match="needs text or image data, these are table data"):
        architecture(small_suite, bert)
    with pytest.raises(InvalidInput, match="`pretrained` must name an image classifier"):
        architecture(image_suite())
    with pytest.raises(InvalidInput, match="must be a model that reads images"):
        architecture(image_suite(), bert)
    with pytest.raises(InvalidInput, match="must be a model that reads texts"):
        architecture(text_suite(), vit)


def test_features_are_the_projected_gradients_of_a_loop(model_and_suite):
    """Passes over a few examples, whose rows share them, change no feature."""
    folder, suite = model_and_suite
    found = architecture(suite, folder, trained_layers=1)
    assert found.examples_per_pass is not None and found.examples_per_pass >= 1
    base = Trainer(suite, found, CPU).fit(range(suite.n_tasks), Recipe(1, 0.01, 16, "rows"), 0)
    rows = suite.rows("train")
    featurizer = Featurizer(suite, base, make_projection("gaussian", 7, 0), CPU)
    features = featurizer.featurize(rows)
    assert features.warnings == ()
    model, examples, tasks = base.build(CPU), torch.from_numpy(rows.example), torch.from_numpy(rows.task)
    logits, pieces = logits_and_pieces(model, found.inputs_of(suite)[examples], tasks)
    torch.testing.assert_close(features.logits, logits, atol=1e-5, rtol=1e-4)
    projection = make_projection("gaussian", 7, 0)
    groups = RowGroups(
        torch.arange(len(rows)), torch.zeros(len(rows), dtype=torch.long), torch.arange(len(rows))
    )
    projection.fit([(pieces, groups)])
    torch.testing.assert_close(
        features.projected, projection.project(pieces, groups)[0], atol=1e-4, rtol=1e-3
    )
    n_examples, n_heads = len(np.unique(rows.example)), sum(suite.outputs)
    forward, backward = found.forward_flops(n_heads), found.backward_flops(n_heads)
    assert features.cost.flops > n_examples * forward + len(rows) * backward
