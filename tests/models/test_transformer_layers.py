import pytest

from gradtag_core.models.pretrained import locate
from gradtag_core.models.transformer_layers import Stack, TransformerShape
from tests.models.tiny_models import save_model

BASE = TransformerShape(768, 12, 3072, 768)


def test_a_base_model_takes_two_operations_per_weight_and_token():
    """85 million weights in the layers of BERT-base (Devlin et al. 2019), twice that per token, and attention's."""
    stack = Stack(BASE, 128, 4, 1)
    flops = sum(layer.flops for layer in stack.frozen()) / 11
    assert flops == 2 * 128 * (4 * 768**2 + 2 * 768 * 3072) + 4 * 128**2 * 768
    assert flops * 12 / 128 == pytest.approx(2 * 85e6, rel=0.03)


def test_layers_without_adapters_have_no_backward_pass():
    assert all(layer.is_first and not layer.trained for layer in Stack(BASE, 10, 4, 3).frozen())
    assert Stack(BASE, 10, 4, 12).frozen() == Stack(BASE, 10, 4, 99).frozen() == []
    assert Stack(BASE, 10, 4, 12).decoder() == []
    assert len([layer for layer in Stack(BASE, 10, 4, 3).adapted() if layer.trained]) == 3 * 4


@pytest.mark.parametrize("kind", ["bert", "distilbert", "vit"])
def test_sizes_are_read_from_the_settings(kind, tmp_path):
    assert TransformerShape.of(locate(save_model(kind, tmp_path))) == TransformerShape(24, 3, 40, 24)


def test_sizes_of_an_encoder_decoder(tmp_path):
    for kind, gated in (("t5", False), ("gated_t5", True)):
        shape = TransformerShape.of(locate(save_model(kind, tmp_path / kind)))
        assert shape == TransformerShape(32, 2, 48, 32, gated, 2, 49)


def test_other_models_do_not_tell(tmp_path):
    assert TransformerShape.of(locate(save_model("albert", tmp_path))) is None
