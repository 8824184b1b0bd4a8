from dataclasses import replace

import pytest

from gradtag_core.models.measured_layers import measured
from tests.models.tiny_models import architecture, image_suite, instruction_suite, save_model, text_suite


@pytest.mark.parametrize(
    ("kind", "make"),
    [("bert", text_suite), ("t5", text_suite), ("t5", instruction_suite), ("vit", image_suite)],
)
@pytest.mark.parametrize("layers", [0, 1])
def test_what_is_measured_is_what_the_settings_say(kind, make, layers, tmp_path):
    known = architecture(make(), save_model(kind, tmp_path), trained_layers=layers or 99)
    if layers:
        known = replace(known, trained_layers=0)
    width, found, mixing = measured(known)
    assert width == known.width

    def sums(layers, mixing):
        forward = sum(layer.flops for layer in layers) + mixing
        backward = sum(layer.flops for layer in layers if not layer.is_first) + 2 * mixing
        return forward, backward, sum(layer.flops for layer in layers if layer.trained)

    assert sums(found, mixing) == pytest.approx(sums(known.layers(), known.mixing_flops), rel=0.01)
