import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from gradtag_core.errors import InvalidInput
from gradtag_core.models.pretrained import locate
from gradtag_core.models.text_inputs import (
    PADDING,
    TokenInputs,
    answer_tokens,
    mean_tokens,
    tokenizer_of,
)
from tests.models.tiny_models import SPECIAL, WORDS, instruction_suite, save_model, text_suite, texts

NUMBER = {word: number for number, word in enumerate([*SPECIAL, *WORDS])}


@pytest.fixture
def bert(tmp_path):
    return locate(save_model("bert", tmp_path / "bert"))


def numbers(text, longest):
    return [*(NUMBER[word] for word in text.split()[: longest - 1]), NUMBER["</s>"]]


@pytest.mark.parametrize("longest", [4, 8, 64])
def test_batches_are_tokens_filled_up(bert, longest):
    written = texts(20)
    inputs = TokenInputs(written, bert, longest)
    assert len(inputs) == 20
    for examples in ([3], [5, 1, 5, 19], list(range(20))):
        batch = inputs[torch.tensor(examples)]
        expected = [numbers(str(written[example]), longest) for example in examples]
        assert inputs.lengths(torch.tensor(examples)).tolist() == [len(row) for row in expected]
        assert batch.shape == (len(examples), max(map(len, expected)))
        for row, wanted in zip(batch.tolist(), expected, strict=True):
            assert row == wanted + [PADDING] * (len(row) - len(wanted))


def test_texts_are_cut_to_what_the_model_has_positions_for(bert, tmp_path):
    long = np.array(["word1 " * 100], dtype=np.dtypes.StringDType())
    assert TokenInputs(long, bert, 64)[torch.tensor([0])].shape == (1, 40)
    # These count positions from the padding token's on.
    roberta = locate(save_model("roberta", tmp_path / "roberta"))
    assert TokenInputs(long, roberta, 64)[torch.tensor([0])].shape == (1, 38)


def test_a_text_without_tokens_has_one(tmp_path):
    save_model("bert", tmp_path)
    settings = json.loads((tmp_path / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps(settings | {"post_processor": None}))
    inputs = TokenInputs(np.array([" ", "yes no"], dtype=np.dtypes.StringDType()), locate(str(tmp_path)), 8)
    assert inputs[torch.tensor([0])].tolist() == [[0]]


def test_words_in_an_older_form(tmp_path):
    save_model("bert", tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no"]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    inputs = TokenInputs(np.array(["no yes"], dtype=np.dtypes.StringDType()), locate(str(tmp_path)), 8)
    assert inputs[torch.tensor([0])].tolist() == [[2, 6, 5, 3]]


def test_the_mean_length_is_that_of_the_first_texts(bert):
    suite = text_suite()
    lengths = [len(text.split()) + 1 for text in suite.inputs.tolist()]
    assert mean_tokens(suite, bert, 64) == round(np.mean(lengths))
    assert mean_tokens(suite, bert, 4) == round(np.mean(np.minimum(lengths, 4)))
    assert mean_tokens(replace(suite, name="other"), bert, 4) <= 4


def test_answers_are_known_by_their_first_token(bert):
    suite = instruction_suite((("no", "yes"), ("maybe not", "true or so")))
    expected = (("no", "yes"), ("maybe", "true"))
    assert answer_tokens(suite, bert, 64) == tuple(tuple(NUMBER[word] for word in own) for own in expected)
    for choices in (("yes maybe", "yes no"), ("unknown", "also-unknown")):
        with pytest.raises(InvalidInput, match=rf"Task `task1` must have answers .*`{choices[0]}`"):
            answer_tokens(instruction_suite((("no", "yes"), choices)), bert, 64)


@pytest.mark.parametrize("content", [None, "", "{}", "[]", "{"])
def test_a_model_without_a_tokenizer(bert, content):
    path = bert.folder / "tokenizer.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InvalidInput, match=r"must come with a `tokenizer.json`"):
        tokenizer_of(locate(str(bert.folder)), 8)
