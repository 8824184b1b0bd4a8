from typing import Any

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from gradtag_core.errors import InvalidInput
from gradtag_core.models.verbaliser import Verbaliser
from gradtag_core.training.trainer import Recipe, Trainer
from tests.models.tiny_models import SPECIAL, WORDS, architecture, instruction_suite, save_model, text_suite

NUMBER = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}


def test_outputs_are_the_log_odds_of_the_answers(tmp_path):
    """As the library's own model says them at the first step of its decoder, text by text."""
    suite = instruction_suite((("no", "yes"), ("true", "false"), ("yes", "maybe")))
    assert suite.choices is not None
    folder = save_model("t5", tmp_path)
    found = architecture(suite, folder)
    outputs = found.build(0).eval()(found.inputs_of(suite)[torch.arange(9)])
    own = AutoModelForSeq2SeqLM.from_pretrained(folder).eval()
    for row, text in enumerate(suite.inputs[:9].tolist()):
        tokens = torch.tensor([[*(NUMBER[word] for word in text.split()), NUMBER["</s>"]]])
        with torch.no_grad():
            logits = own(input_ids=tokens, decoder_input_ids=torch.tensor([[0]])).logits[0, 0]
        chances = logits.log_softmax(0)
        expected = [chances[NUMBER[yes]] - chances[NUMBER[no]] for no, yes in suite.choices]
        torch.testing.assert_close(outputs[row], torch.stack(expected), atol=1e-5, rtol=1e-5)


def test_more_than_two_answers_have_a_logit_each(tmp_path):
    suite = instruction_suite()
    found = architecture(suite, save_model("t5", tmp_path))
    built: Any = found.build(0)
    model = built.model
    both = Verbaliser(model, [(5, 6), (7, 8, 9)], 0, 0).eval()
    inputs = found.inputs_of(suite)[torch.arange(3)]
    outputs = both(inputs)
    assert outputs.shape == (3, 4)
    torch.testing.assert_close(both(inputs, [1]), outputs[:, 1:])
    torch.testing.assert_close(
        Verbaliser(model, [(7, 8), (7, 9)], 0, 0).eval()(inputs), outputs[:, 2:] - outputs[:, 1:2],
        atol=1e-5, rtol=1e-5,
    )  # fmt: skip


def test_adapters_learn_to_answer(tmp_path):
    suite = instruction_suite(n_pairs=12)
    found = architecture(suite, save_model("t5", tmp_path), trained_layers=0)
    assert found.answers == ((NUMBER["no"], NUMBER["yes"]), (NUMBER["false"], NUMBER["true"]))
    trainer = Trainer(suite, found, torch.device("cpu"))
    short, long = (trainer.fit([0, 1], Recipe(epochs, 0.02, 8, "rows"), 0) for epochs in (1, 30))
    losses = [trainer.score(base, [0, 1], "train")[:, 0].mean() for base in (short, long)]
    assert losses[1] > losses[0]  # negated


def test_other_models_and_suites_have_heads(tmp_path):
    t5, bert = save_model("t5", tmp_path / "t5"), save_model("bert", tmp_path / "bert")
    assert architecture(instruction_suite(), bert).answers is None
    assert architecture(text_suite(), t5).answers is None
    assert architecture(instruction_suite(), t5).head_width == 0
    with pytest.raises(InvalidInput, match="answers that differ in their first token"):
        architecture(instruction_suite((("no way", "no"), ("false", "true"))), t5)
