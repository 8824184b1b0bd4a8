"""The images that a pretrained model wants, from its settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from gradtag_core.errors import InvalidInput
from gradtag_core.models.pretrained import Pretrained, read_settings

USUAL_SIZE = 224
MAX_CHANNELS, MAX_SIDE = 64, 4096


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
        settings = read_settings(path) if path.is_file() else {}
        try:
            channels = _checked(config.get("num_channels", 3), MAX_CHANNELS)
            size = config.get("image_size") or settings.get("crop_size") or settings.get("size") or USUAL_SIZE
            height, width = (_checked(side, MAX_SIDE) for side in _height_and_width(size))
            mean, deviation = (
                _per_channel(settings.get(name), usual, channels)
                for name, usual in (("image_mean", 0.5), ("image_std", 0.5))
            )
            if not all(map(isfinite, (*mean, *deviation))) or min(deviation) <= 0:
                raise ValueError("its shades are not finite, or do not deviate")
        except (TypeError, ValueError, LookupError, OverflowError) as error:
            raise InvalidInput(
                f"`pretrained`: the channels, sizes and shades of the images of `{pretrained.name}` must be numbers "
                f"within reason; found that {error}."
            ) from error
        if found_channels not in (1, channels):
            raise InvalidInput(
                f"`pretrained` must read images of as many channels as the data set's, {found_channels}; "
                f"`{pretrained.name}` reads {channels}."
            )
        return cls(channels, (height, width), mean, deviation)


def _checked(value: Any, most: int) -> int:
    """A number of channels or pixels; more than `most` would be allocated for every image."""
    if not 1 <= int(value) <= most:
        raise ValueError(f"{int(value):.3g} is not from 1 to {most:,}")
    return int(value)


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
