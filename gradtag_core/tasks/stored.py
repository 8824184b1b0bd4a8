"""Suites of a user, each in a folder of its own: facts in JSON, arrays in an npz file, nothing pickled."""

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from platformdirs import user_data_dir
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gradtag_core.config import ModelKind
from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.tasks.array_file import read_npz
from gradtag_core.tasks.matrix_files import BROKEN
from gradtag_core.tasks.suite import SplitRule, TaskKind, TaskSuite

FACTS = "suite.json"
ARRAYS = "suite.npz"
FORMAT = 1
MAX_NAME = 32
MAX_FACTS_BYTES = 4 * 2**20
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
DTYPES = {
    "inputs": np.float32, "texts": np.uint8, "ends": np.int64, "labels": np.int8, "order": np.int64, "edges": np.int64,
}  # fmt: skip
"""Of the arrays: `texts` are the bytes of all texts in UTF-8, one after the other, and `ends` is where each ends."""


class StoredSuite(BaseModel):
    """What `suite.json` says of a suite; `origin` are names of files without folders, `options` how it was read.

    `n_bytes` and `checksum` (SHA-256) are of the arrays, `fingerprint` is the suite's own. `kinds`: None where all
    tasks are binary.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal[1] = FORMAT
    name: str
    title: str
    description: str
    origin: list[str]
    options: dict[str, Any]
    created: str
    task_names: list[str] = Field(min_length=1)
    n_tasks: int
    n_examples: int
    default_model: ModelKind
    kinds: list[TaskKind] | None = None
    choices: list[list[str]] | None = None
    split_rule: dict[str, float | int | None]
    fingerprint: str
    n_bytes: int
    checksum: str


def home_folder(home: Path | None = None) -> Path:
    """Where runs and suites of a user lie: `home`, else $GRADTAG_HOME, else the user's data folder."""
    return Path(home or os.environ.get("GRADTAG_HOME") or user_data_dir("gradtag")).absolute()


def suites_folder(home: Path | None = None) -> Path:
    """Where the suites of a user lie."""
    return home_folder(home) / "suites"


def is_suite_name(name: str) -> bool:
    """Whether a suite of a user may have this name: no such name leads out of a folder."""
    return len(name) <= MAX_NAME and NAME.fullmatch(name) is not None


def stored_suites(home: Path | None = None) -> tuple[list[StoredSuite], list[str]]:
    """The facts of all suites by name, and a sentence for each that cannot be listed; no arrays are read."""
    folder = suites_folder(home)
    try:
        names = sorted(entry.name for entry in folder.iterdir() if is_suite_name(entry.name))
    except FileNotFoundError:
        return [], []
    except OSError as error:
        return [], [f"The folder `{folder}` could not be read: {error}."]
    found, problems = [], []
    for name in names:
        try:
            found.append(read_facts(folder / name))
        except StoreError as error:
            problems.append(str(error))
    return found, problems


def read_facts(folder: Path) -> StoredSuite:
    """The facts of the suite in `folder`; `StoreError` where a file is missing or damaged."""
    path = folder / FACTS
    try:
        if path.stat().st_size > MAX_FACTS_BYTES:
            raise _damaged(path, f"it has more than {MAX_FACTS_BYTES:,} bytes")
        facts = StoredSuite.model_validate(json.loads(path.read_bytes()))
        size = (folder / ARRAYS).stat().st_size
    except OSError as error:
        raise StoreError(
            f"The suite `{folder.name}` cannot be read: {error}. Remove it and add it again."
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "all of it"
        raise _damaged(path, f"`{place}`: {first['msg'].lower()}") from error
    except (ValueError, RecursionError) as error:
        raise _damaged(path, "it is no JSON") from error
    if facts.name != folder.name:
        raise _damaged(path, f"it is of the suite `{facts.name[:40]}`")
    if (facts.n_tasks, facts.n_bytes) != (len(facts.task_names), size):
        raise _damaged(folder / ARRAYS, f"{facts.n_tasks} tasks in {facts.n_bytes:,} bytes are due")
    return facts


def read_suite(folder: Path) -> TaskSuite:
    """The suite in `folder`, read once per process for each content; treat its arrays as constants."""
    facts = read_facts(folder)
    return _read_once(folder, facts.fingerprint, facts.checksum)


@lru_cache(maxsize=4)
def _read_once(folder: Path, fingerprint: str, checksum: str) -> TaskSuite:
    facts, path = read_facts(folder), folder / ARRAYS
    try:
        dtypes = DTYPES if facts.kinds is None else DTYPES | {"labels": np.float32}
        arrays = _checked_arrays(path, checksum, dtypes)
        if "texts" in arrays and "inputs" not in arrays:
            arrays["inputs"] = _unpacked(arrays.pop("texts"), arrays.pop("ends"))
        suite = TaskSuite(
            facts.name,
            tuple(facts.task_names),
            **arrays,
            split_rule=SplitRule(**facts.split_rule),  # type: ignore[arg-type]
            kinds=tuple(facts.kinds or ()),
            choices=None if facts.choices is None else tuple(map(tuple, facts.choices)),
        )
    except BROKEN as error:
        raise _damaged(path, str(error).split("\n")[0]) from error
    if (suite.fingerprint, suite.n_examples) != (fingerprint, facts.n_examples):
        raise _damaged(path, "its fingerprint does not match its content")
    return suite


def arrays_of(suite: TaskSuite) -> dict[str, np.ndarray]:
    """What `read_suite` makes the suite from; npz files hold texts as bytes, since strings would be pickled."""
    arrays = {
        "labels": suite.labels.astype(np.int8 if suite.all_binary else np.float32),
        "order": suite.order.astype(np.int64),
    }
    if suite.edges is not None:
        arrays["edges"] = suite.edges
    if suite.modality != "text":
        return arrays | {"inputs": suite.inputs}
    texts = [text.encode() for text in suite.inputs.tolist()]
    content = np.frombuffer(b"".join(texts), np.uint8)
    return arrays | {"texts": content, "ends": np.cumsum([len(text) for text in texts], dtype=np.int64)}


def _unpacked(texts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    content, starts = texts.tobytes(), np.concatenate([[0], ends[:-1]])
    if (ends < starts).any() or ends[-1:].tolist() != [len(content)]:
        raise ValueError("its texts do not end where they should")
    found = [content[start:end].decode() for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    return np.array(found, dtype=np.dtypes.StringDType())


def _checked_arrays(path: Path, checksum: str, dtypes: Mapping[str, type]) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != checksum:
            raise ValueError("its checksum does not match its content")
        with zipfile.ZipFile(file) as archive:
            if sum(info.file_size for info in archive.infolist()) > path.stat().st_size:
                raise ValueError("its arrays are larger than the file")
        arrays = read_npz(file)
    if not arrays.keys() <= dtypes.keys() or any(
        array.dtype != dtypes[name] for name, array in arrays.items()
    ):
        raise ValueError(f"found {', '.join(f'{name} ({array.dtype})' for name, array in arrays.items())}")
    return arrays


def _damaged(path: Path, reason: str) -> StoreError:
    return StoreError(
        f"`{path}` is damaged: {reason}. Remove the suite `{path.parent.name}` and add it again."
    )


def require_suite_name(name: str, taken: tuple[str, ...]) -> str:
    """`name`, if a suite of a user may be called so."""
    if not is_suite_name(name):
        raise InvalidInput(
            f"`name` must have 1 to {MAX_NAME} lower-case letters and digits, with single hyphens between them; found "
            f"{name[:40]!r}."
        )
    if name in taken:
        raise InvalidInput(f"`name` must not be that of a suite that ships with the project; found `{name}`.")
    return name
