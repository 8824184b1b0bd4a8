"""The images that a pretrained model wants, from its settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradtag_core.errors import InvalidInput
from gradtag_core.models.pretrained import Pretrained

USUAL_SIZE = 224


@dataclass(frozen=True)
class ImageFormat:
    """`channels`, `size` (height, width), and the mean and deviation of each channel's shades (from 0 to 1)."""

    channels: int
    size: tuple[int, int]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    @classmethod
    def of(cls, pretrained: Pretrained, found_channels: int) -> "ImageFormat":
        """For images of `found_channels`; `InvalidInput` where the model wants others. One may stand for any."""
        config = pretrained.config
        path = pretrained.folder / "preprocessor_config.json"
        settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        channels = int(config.get("num_channels", 3))
        if found_channels not in (1, channels):
            raise InvalidInput(
                f"`pretrained` must read images of as many channels as the data set's, {found_channels}; "
                f"`{pretrained.name}` reads {channels}."
            )
        size = config.get("image_size") or settings.get("crop_size") or settings.get("size") or USUAL_SIZE
        mean, deviation = (
            _per_channel(settings.get(name), usual, channels)
            for name, usual in (("image_mean", 0.5), ("image_std", 0.5))
        )
        return cls(channels, _height_and_width(size), mean, deviation)


def _per_channel(found: Sequence[float] | float | None, usual: float, channels: int) -> tuple[float, ...]:
    values = found if isinstance(found, Sequence) else [usual if found is None else found]
    return (
        tuple(float(value) for value in values) if len(values) == channels else (float(values[0]),) * channels
    )


def _height_and_width(size: Any) -> tuple[int, int]:
    if isinstance(size, dict):
        edge = size.get("shortest_edge", USUAL_SIZE)
        return int(size.get("height", edge)), int(size.get("width", edge))
    if isinstance(size, Sequence):
        return int(size[0]), int(size[-1])
    return int(size), int(size)
