from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModelForImageClassification

from gradtag_core.errors import InvalidInput
from gradtag_core.models.image_format import ImageFormat
from gradtag_core.models.vision import PixelInputs, without_classifier
from tests.models.tiny_models import architecture, image_suite, save_model

PLAIN = ImageFormat(3, (10, 10), (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize("kind", ["vit", "deit", "convnext"])
def test_heads_read_what_the_classifier_reads(kind, tmp_path):
    suite, folder = image_suite(), save_model(kind, tmp_path)
    found = architecture(suite, folder, trained_layers=1)
    model: Any = found.build(0).eval()
    images = found._raw_inputs(suite)[torch.arange(5)]
    own = AutoModelForImageClassification.from_pretrained(folder).eval()
    seen = []
    own.classifier.register_forward_hook(lambda layer, arguments, output: seen.append(arguments[0]))
    own(pixel_values=images)
    torch.testing.assert_close(
        model.encoder(found.inputs_of(suite)[torch.arange(5)]), seen[0], atol=1e-5, rtol=1e-5
    )


def test_shades_become_those_the_model_knows():
    images = image_suite().inputs
    wanted = ImageFormat(3, (10, 10), (0.5, 0.25, 0.0), (0.5, 0.25, 2.0))
    every = torch.arange(len(images))
    plain = PixelInputs(images, wanted, 1)[every]
    mean, deviation = (np.array(values)[:, None, None] for values in (wanted.mean, wanted.deviation))
    np.testing.assert_allclose(plain, (images - mean) / deviation, rtol=1e-5)
    scaled = (images - images.min()) / (images.max() - images.min())
    for change in (lambda shades: shades * 255, lambda shades: shades * 4 - 2):
        found = PixelInputs(change(images), PLAIN, 1)[every]
        np.testing.assert_allclose(found, scaled, atol=1e-5)
    assert PixelInputs(np.full_like(images, 7), PLAIN, 1)[every].abs().max() == 0


def test_sizes_and_channels_become_those_of_the_model():
    grey = image_suite(channels=1, size=6)
    found = PixelInputs(grey.inputs, PLAIN, 17)
    batch = found[torch.tensor([3, 1])]
    assert batch.shape == (2, 3, 10, 10)
    assert torch.equal(batch[:, 0], batch[:, 2])
    torch.testing.assert_close(
        batch[:, 0].mean((1, 2)), torch.from_numpy(grey.inputs[[3, 1], 0]).mean((1, 2)), atol=0.05, rtol=0
    )
    assert found.lengths(torch.tensor([3, 1])).tolist() == [17, 17]
    assert len(found) == 40


def test_a_model_that_is_no_classifier():
    with pytest.raises(InvalidInput, match="must be an image classifier whose `classifier` ends in a linear"):
        without_classifier(nn.Sequential(nn.Linear(2, 2)))
    model = nn.Module()
    model.classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    assert without_classifier(model) == 4
    assert model.classifier(torch.ones(2, 4)).shape == (2, 4)
