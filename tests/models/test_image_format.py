import json

import pytest

from gradtag_core.errors import InvalidInput
from gradtag_core.models.image_format import ImageFormat
from gradtag_core.models.pretrained import locate
from tests.models.tiny_models import save_model


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (None, ((0.5,) * 3, (0.5,) * 3)),
        ({"image_mean": [0.1, 0.2, 0.3], "image_std": 0.4}, ((0.1, 0.2, 0.3), (0.4,) * 3)),
        ({"image_mean": [0.1]}, ((0.1,) * 3, (0.5,) * 3)),
    ],
)
def test_shades_are_those_of_the_models_preprocessing(tmp_path, settings, expected):
    save_model("vit", tmp_path)
    if settings:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    found = ImageFormat.of(locate(str(tmp_path)), 1)
    assert (found.channels, found.size) == (3, (12, 12))
    assert (found.mean, found.deviation) == expected


@pytest.mark.parametrize(
    ("image_size", "settings", "expected"),
    [
        ([8, 12], {}, (8, 12)),
        (None, {"size": {"height": 6, "width": 4}}, (6, 4)),
        (None, {"size": {"shortest_edge": 5}}, (5, 5)),
        (None, {"size": 9, "crop_size": {"height": 7, "width": 7}}, (7, 7)),
        (None, {}, (224, 224)),
    ],
)
def test_sizes(tmp_path, image_size, settings, expected):
    save_model("vit", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"image_size": image_size}))
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(settings))
    assert ImageFormat.of(locate(str(tmp_path)), 3).size == expected


def test_channels_that_do_not_fit(tmp_path):
    with pytest.raises(InvalidInput, match=r"as many channels as the data set's, 2; `vit` reads 3"):
        ImageFormat.of(locate(save_model("vit", tmp_path / "vit")), 2)


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        ({"num_channels": 10**9}, "{}"), ({"num_channels": "x"}, "{}"), ({"image_size": 10**9}, "{}"),
        ({"image_size": [[]]}, "{}"),
        ({"image_size": {"height": None}}, "{}"), ({}, '{"image_mean": [[1]]}'), ({}, '{"image_mean": []}'),
        ({}, '{"image_std": 0}'),
        ({}, '{"image_mean": NaN}'), ({}, "["), ({}, "[]"), ({}, "[" * 100_000), ({}, "\x00"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense(tmp_path, config, settings):
    save_model("vit", tmp_path)
    found = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(found | config))
    (tmp_path / "preprocessor_config.json").write_text(settings)
    with pytest.raises(InvalidInput, match="`pretrained`"):
        ImageFormat.of(locate(str(tmp_path)), 3)
