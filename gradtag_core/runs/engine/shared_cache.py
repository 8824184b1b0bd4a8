"""The cache of finished units where it lies on storage that several machines share: a folder, or an fsspec URL."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.files import Arrays, Content, UnitCache

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pandas import DataFrame

CACHE = "GRADTAG_CACHE"
URL = re.compile(r"[a-zA-Z0-9+.-]+(::[a-zA-Z0-9+.-]+)*://.*", re.DOTALL)
SUFFIXES = ("json", "safetensors", "parquet")
FRESH_SECONDS = 2.0  # for which a list of names there is taken as it was


def store_cache(home: Path) -> UnitCache:
    """The cache of a store: where $GRADTAG_CACHE says, else in its home."""
    address = os.environ.get(CACHE, "").strip()
    return cache_at(address, home / "cache") if address else UnitCache(home / "cache")


def cache_at(address: str, local: Path | None) -> UnitCache:
    """The cache in a folder or at a URL, of which copies lie in `local` (None: in a folder for this process alone)."""
    if URL.fullmatch(address):
        return SharedCache(address, local or _scratch())
    return UnitCache(Path(address).absolute())


def address_of(cache: UnitCache) -> str:
    """What `cache_at` opens the cache by."""
    return cache.url if isinstance(cache, SharedCache) else str(cache.root)


class SharedCache(UnitCache):
    """A cache at a URL, with copies in a local folder of what was used of it.

    A file goes up under a temporary name, then is renamed, so that nobody sees a part of it. What comes down is checked
    as every file of the cache is: a damaged copy is fetched again, and one that is damaged there too is removed.
    """

    def __init__(self, url: str, local: Path):
        """Raises `InvalidInput` where fsspec, or what it needs for the URL's protocol, is not installed."""
        super().__init__(local)
        self.url = url.rstrip("/")
        self._system, self._prefix = _opened(self.url)
        self._names: dict[str, tuple[float, set[str]]] = {}

    def has(self, stage: str, key: str, suffix: str) -> bool:
        """Also true of what is there but not here yet; what others made may take `FRESH_SECONDS` to be seen."""
        return super().has(stage, key, suffix) or self.path(stage, key, suffix).name in self._listed(stage)

    def put_json(self, stage: str, key: str, value: Any) -> None:
        super().put_json(stage, key, value)
        self._upload(self.path(stage, key, "json"))

    def put_arrays(
        self, stage: str, key: str, arrays: Arrays, metadata: dict[str, str] | None = None
    ) -> None:
        super().put_arrays(stage, key, arrays, metadata)
        self._upload(self.path(stage, key, "safetensors"))

    def put_table(self, stage: str, key: str, table: DataFrame) -> None:
        super().put_table(stage, key, table)
        self._upload(self.path(stage, key, "parquet"))

    def remove(self, keys: Iterable[tuple[str, str]]) -> None:
        keys = list(keys)
        super().remove(keys)
        for stage, key in keys:
            for suffix in SUFFIXES:
                self._remove_there(self.path(stage, key, suffix))

    def _get(self, path: Path, read: Callable[[Path], Content]) -> Content | None:
        for _ in range(2):  # a damaged copy is gone after the first
            if not path.is_file() and not self._download(path):
                return None
            found = super()._get(path, read)
            if found is not None:
                return found
        self._remove_there(path)
        return None

    def _there(self, path: Path) -> str:
        return f"{self._prefix}/{path.relative_to(self.root).as_posix()}"

    def _listed(self, stage: str) -> set[str]:
        """The names of a stage's files: asking for each by itself would take a message to and fro every time."""
        asked, names = self._names.get(stage, (float("-inf"), set[str]()))
        if time.monotonic() - asked > FRESH_SECONDS:
            with self._said("listed"):
                self._system.invalidate_cache()
                folder = f"{self._prefix}/{stage}"
                found = self._system.find(folder) if self._system.exists(folder) else []
            names = {str(name).rpartition("/")[2] for name in found}
            self._names[stage] = (time.monotonic(), names)
        return names

    def _upload(self, path: Path) -> None:
        there = self._there(path)
        part = f"{there.rpartition('/')[0]}/.{path.name}.{uuid4().hex[:8]}.part"
        try:
            with self._said("written"):
                self._system.makedirs(part.rpartition("/")[0], exist_ok=True)
                self._system.put_file(str(path), part)
                self._system.mv(part, there)
        except StoreError:
            path.unlink(missing_ok=True)  # what is here alone would be taken for shared
            raise

    def _download(self, path: Path) -> bool:
        part = path.with_name(f".{path.name}.{os.getpid()}-{uuid4().hex[:8]}.part")
        try:
            with self._said("read"):
                path.parent.mkdir(parents=True, exist_ok=True)
                self._system.get_file(self._there(path), str(part))
                part.replace(path)
        except StoreError as error:
            if isinstance(error.__cause__, FileNotFoundError):  # nobody has made it, or it was removed
                return False
            raise
        finally:
            part.unlink(missing_ok=True)
        return True

    def _remove_there(self, path: Path) -> None:
        self._names.pop(path.parent.parent.name, None)
        with self._said("deleted"), suppress(FileNotFoundError):
            self._system.rm_file(self._there(path))

    @contextmanager
    def _said(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"`{CACHE}` = {self.url} could not be {verb}: {type(error).__name__}: {error}. Check the address, your "
                "access to it, and the network, then resume; everything finished is kept."
            ) from error


def _opened(url: str) -> tuple[AbstractFileSystem, str]:
    """The file system behind a URL, and where in it the cache lies."""
    try:
        from fsspec.core import url_to_fs

        system, prefix = url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise InvalidInput(
            f"`{CACHE}` must be a folder or a URL that fsspec can open, such as s3://bucket/prefix; found {url!r}: "
            f"{error}. Correct it, or install fsspec and what it needs for it."
        ) from error
    return system, str(prefix).rstrip("/")


@lru_cache(maxsize=1)
def _scratch() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="gradtag-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
