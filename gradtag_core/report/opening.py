"""Bundles that come back: a zip file from anywhere, taken for nothing but a run."""

from __future__ import annotations

import struct
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import IO

from gradtag_core.errors import GradTagError, InvalidInput, StoreError
from gradtag_core.report.bundle import RUN_FOLDER
from gradtag_core.runs.adopt import RESULT_FILES
from gradtag_core.runs.record import RUN
from gradtag_core.runs.row import RunRow
from gradtag_core.runs.store import RunStore

MOST_FILES = 1000
MOST_BYTES = 1_000_000_000  # of the run's files, unpacked
BLOCK = 1 << 20
HOW = "Choose a bundle that the Story page or `python -m gradtag_core bundle` wrote."
BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, ValueError, NotImplementedError,
    RuntimeError, OverflowError,
)  # fmt: skip
LINK = 0o120000


def open_bundle(store: RunStore, source: Path | IO[bytes]) -> RunRow:
    """Take the run of a bundle into a store; the same one again is the run that is there."""
    with tempfile.TemporaryDirectory() as parent:
        folder = read_bundle(source, Path(parent) / "run")
        try:
            return store.adopt(folder)
        except InvalidInput as error:
            reason = (
                str(error).replace(f"{folder}/", "run/").replace("`folder` must hold", "A bundle must hold")
            )
            raise InvalidInput(reason.replace(f"`{folder}`", "this one")) from error


def read_bundle(source: Path | IO[bytes], folder: Path) -> Path:
    """Unpack the run of a bundle into `folder`, which is made, and return it; `RunStore.adopt` reads what it holds.

    Only the known files of `run/` are taken, by their exact names; whatever else there is stays in the zip file. Raises
    `InvalidInput` for what is no bundle: damaged, too large, encrypted, with links or twins, or without a run.
    """
    if isinstance(source, Path) and not source.is_file():
        found = "is a folder" if source.is_dir() else "is not there"
        raise InvalidInput(f"`FILE` must be a bundle, a zip file; `{source}` {found}. {HOW}")
    try:
        with zipfile.ZipFile(source) as archive:
            chosen = _chosen(archive)
            folder.mkdir(parents=True)
            _unpack(archive, chosen, folder)
    except OSError as error:
        raise StoreError(f"The bundle could not be read or unpacked: {error}.") from error
    except GradTagError:
        raise
    except BROKEN as error:
        raise InvalidInput(f"The zip file is damaged or is none: {error}. {HOW}") from error
    return folder


def _chosen(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The run's files by name, once everything that the zip file says of them is in order."""
    entries = archive.infolist()
    if len(entries) > MOST_FILES:
        raise InvalidInput(f"A bundle must hold at most {MOST_FILES:,} files; found {len(entries):,}. {HOW}")
    chosen: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = entry.filename.removeprefix(RUN_FOLDER)
        if not entry.filename.startswith(RUN_FOLDER) or name not in RESULT_FILES["run"]:
            continue
        if name in chosen:
            raise InvalidInput(f"A bundle must hold each file once; found `{entry.filename}` twice. {HOW}")
        if (entry.external_attr >> 16) & 0o170000 == LINK:
            raise InvalidInput(f"A bundle must hold plain files; `{entry.filename}` is a link. {HOW}")
        if entry.flag_bits & 1:
            raise InvalidInput(f"A bundle must not be encrypted; `{entry.filename}` is. {HOW}")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InvalidInput(f"A bundle must be stored or deflated; `{entry.filename}` is not. {HOW}")
        chosen[name] = entry
    if RUN not in chosen:
        raise InvalidInput(f"A bundle must hold `{RUN_FOLDER}{RUN}`; this zip file does not. {HOW}")
    _require_size(sum(entry.file_size for entry in chosen.values()))
    return chosen


def _unpack(archive: zipfile.ZipFile, chosen: dict[str, zipfile.ZipInfo], folder: Path) -> None:
    """What the zip file says of its sizes may be a lie: what comes out is counted."""
    written = 0
    for name, entry in chosen.items():
        with archive.open(entry) as packed, (folder / name).open("xb") as file:
            while block := packed.read(BLOCK):
                written += len(block)
                _require_size(written)
                file.write(block)


def _require_size(size: int) -> None:
    if size > MOST_BYTES:
        raise InvalidInput(
            f"The run of a bundle must take at most {MOST_BYTES / 1e9:.0f} GB; found more. {HOW}"
        )
