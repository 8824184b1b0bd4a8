"""Durable files (JSON, safetensors, parquet) and a content-addressed cache of finished units of work."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.disk import make_durably, refused, sync

if TYPE_CHECKING:
    from pandas import DataFrame

Content = TypeVar("Content")
Arrays = dict[str, np.ndarray]

CHECKSUM = "gradtag_crc32"  # the metadata key under which write_arrays keeps its checksum
CONTENT = "content"  # beside the checksum, in a unit that is JSON
LEFTOVER_SECONDS = 86_400.0  # a temporary (hidden) file this old was left by a process that was killed
STAGE = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
KEY = re.compile(r"[0-9a-f]{32}")
SUFFIX = re.compile(r"[a-z0-9]{1,16}")


class DamagedFile(StoreError):
    """A file is there but its content cannot be what was written."""


def write_json(path: Path, value: Any) -> None:
    """Write `value` as strict JSON; the file appears whole or not at all."""
    text = json_text(value, indent=1, ensure_ascii=False)
    with replacing(path) as part:
        part.write_bytes(text)


def read_json(path: Path) -> Any:
    """The value in a JSON file; `StoreError` where it is missing, `DamagedFile` where it is no JSON."""
    with _reading(path) as file:
        return json.loads(file.read(), parse_constant=_refuse_constant)


def write_arrays(path: Path, arrays: Arrays, metadata: dict[str, str] | None = None) -> None:
    """Write named arrays (booleans, integers, floats of at most 64 bits) and text metadata as safetensors.

    The metadata gains a checksum over everything, which `read_arrays` tests and removes.
    """
    for name, array in arrays.items():
        if name == "__metadata__" or array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
            raise InvalidInput(
                f"`arrays` must hold booleans, integers or floats of at most 64 bits under a name other than "
                f"`__metadata__`; found {array.dtype} in `{name}`. Convert or rename it."
            )
    # safetensors stores the raw buffer: anything but little-endian C order would come back scrambled.
    plain = {
        name: np.asarray(array, dtype=array.dtype.newbyteorder("<"), order="C")
        for name, array in arrays.items()
    }
    labels = metadata or {}
    with replacing(path) as part:
        save_file(plain, part, {**labels, CHECKSUM: _checksum(plain, labels)})
        part.chmod(0o644)  # safetensors writes for the owner alone, unlike every other file of a run


def read_arrays(path: Path) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the metadata of a safetensors file; `DamagedFile` where the checksum does not match."""
    with _reading(path), safe_open(path, framework="np") as file:
        metadata = dict(file.metadata() or {})
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        expected = metadata.pop(CHECKSUM, None)
        if expected is not None and expected != _checksum(arrays, metadata):
            raise ValueError("its checksum does not match its content")
    return arrays, metadata


def write_table(path: Path, table: DataFrame) -> None:
    """Write a data frame as parquet with page checksums."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns = pa.Table.from_pandas(table)
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InvalidInput(f"`table` must have unique columns of one type each; found: {error}") from error
    with replacing(path) as part:
        pq.write_table(columns, part, write_page_checksum=True)


def read_table(path: Path) -> DataFrame:
    """The data frame in a parquet file; columns of lists come back as columns of arrays."""
    import pyarrow.parquet as pq

    # ParquetFile, because read_table would take `name=value` in a folder's name for a column.
    with _reading(path) as file, pq.ParquetFile(file, page_checksum_verification=True) as parquet:
        return parquet.read().to_pandas()


def content_key(*parts: Any) -> str:
    """The first 32 hex digits of the SHA-256 of `parts` as canonical JSON (keys sorted, floats by repr)."""
    text = json_text(list(parts), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text).hexdigest()[:32]


class UnitCache:
    """Finished units of work, each a file root/<stage>/<key[:2]>/<key>.<suffix>.

    `get_*` returns None where the unit is absent. A damaged file is removed, listed in `damaged` and counts
    as absent, so the caller computes the unit again. Another process may remove a unit at any time: trust
    what `get_*` returns, not what `has` said before.
    """

    def __init__(self, root: Path):
        self.root = root
        self.damaged: list[Path] = []

    def path(self, stage: str, key: str, suffix: str) -> Path:
        """Where a unit lies, whether it exists or not."""
        for name, value, rule in (("stage", stage, STAGE), ("key", key, KEY), ("suffix", suffix, SUFFIX)):
            if not rule.fullmatch(value):
                raise InvalidInput(f"`{name}` must match {rule.pattern}; found {value!r}.")
        return self.root / stage / key[:2] / f"{key}.{suffix}"

    def has(self, stage: str, key: str, suffix: str) -> bool:
        return _is_file(self.path(stage, key, suffix))

    def get_json(self, stage: str, key: str) -> Any | None:
        return self._get(self.path(stage, key, "json"), _read_checked_json)

    def put_json(self, stage: str, key: str, value: Any) -> None:
        write_json(self.path(stage, key, "json"), {CHECKSUM: _checksum_of_json(value), CONTENT: value})

    def get_arrays(self, stage: str, key: str) -> tuple[Arrays, dict[str, str]] | None:
        return self._get(self.path(stage, key, "safetensors"), read_arrays)

    def put_arrays(
        self, stage: str, key: str, arrays: Arrays, metadata: dict[str, str] | None = None
    ) -> None:
        write_arrays(self.path(stage, key, "safetensors"), arrays, metadata)

    def get_table(self, stage: str, key: str) -> DataFrame | None:
        return self._get(self.path(stage, key, "parquet"), read_table)

    def put_table(self, stage: str, key: str, table: DataFrame) -> None:
        write_table(self.path(stage, key, "parquet"), table)

    def size_bytes(self) -> int:
        """The bytes of all files under the root."""
        return sum(size for _, size, _ in self._files())

    def remove(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete the files of these (stage, key) units, where there are any, and what killed writers left."""
        for stage, key in keys:
            folder = self.path(stage, key, "json").parent
            for path in folder.glob(f"{key}.*"):
                _delete(path)
        for path, _, modified in self._files():
            if path.name.startswith(".") and time.time() - modified > LEFTOVER_SECONDS:
                _delete(path)

    def _get(self, path: Path, read: Callable[[Path], Content]) -> Content | None:
        if not _is_file(path):
            return None
        try:
            return read(path)
        except DamagedFile:
            self.damaged.append(path)
            _delete(path)
            return None
        except StoreError:
            if not _is_file(path):  # another process removed it between the two looks
                return None
            raise

    def _files(self) -> Iterator[tuple[Path, int, float]]:
        for path in self.root.rglob("*"):
            with suppress(OSError):  # another process removed it meanwhile, or it is not ours
                status = path.stat()
                if path.is_file():
                    yield path, status.st_size, status.st_mtime


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the folder of `path`; on success sync it to disk and rename it to `path`."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}.part")
    try:
        make_durably(path.parent)
        yield part
        sync(part)
        part.replace(path)
        sync(path.parent)  # the rename itself must survive a power cut
    except (OSError, SafetensorError) as error:
        raise refused(path, error) from error
    finally:
        with suppress(OSError):
            part.unlink()


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    """Open `path`; what cannot be opened is a `StoreError`, what cannot be understood a `DamagedFile`."""
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise StoreError(f"`{path}` is missing. Run again what writes it, or restore a copy.") from error
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RecursionError,
        OSError,
        SafetensorError,
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:  # pyarrow reports damage without a number
            raise refused(path, error, "read") from error
        raise DamagedFile(
            f"`{path}` is damaged or was cut short: {error}. Delete it and run again what writes it."
        ) from error


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError as error:  # its folder may not be looked into
        raise refused(path, error, "read") from error


def _delete(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise refused(path, error, "deleted") from error


def json_text(value: Any, **style: Any) -> bytes:
    """`value` as strict JSON, `style` as in json.dumps; `InvalidInput` where JSON would lose something."""
    try:
        _check_json(value)
        return json.dumps(value, allow_nan=False, **style).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"`value` must be made of finite numbers, text, True, False, None, lists, and dicts with text "
            f"keys; found: {error}. Convert it first."
        ) from error


def _check_json(value: Any) -> None:
    """Refuse keys that are no text: json.dumps would turn 1 and "1" into the same key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if not isinstance(key, str):
                raise TypeError(f"the key {key!r}")
            _check_json(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_json(inner)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _read_checked_json(path: Path) -> Any:
    """The value in a unit that is JSON; `DamagedFile` where the checksum beside it does not match."""
    found = read_json(path)
    with _reading(path):
        if (
            not isinstance(found, dict)
            or found.keys() != {CHECKSUM, CONTENT}
            or found[CHECKSUM] != _checksum_of_json(found[CONTENT])
        ):
            raise ValueError("its checksum does not match its content")
    return found[CONTENT]


def _checksum_of_json(value: Any) -> str:
    return f"{zlib.crc32(json_text(value, sort_keys=True, separators=(',', ':'))):08x}"


def _checksum(arrays: Arrays, metadata: dict[str, str]) -> str:
    shapes = [[name, array.dtype.str, list(array.shape)] for name, array in sorted(arrays.items())]
    check = zlib.crc32(json_text([shapes, sorted(metadata.items())]))
    for _, array in sorted(arrays.items()):
        check = zlib.crc32(np.ascontiguousarray(array).data, check)
    return f"{check:08x}"
