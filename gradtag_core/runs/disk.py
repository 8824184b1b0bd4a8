"""What a disk refuses, in words."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

from gradtag_core.errors import StoreError

FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM)
FATAL = (*FULL, errno.EROFS, errno.EFBIG)  # whatever was at work, the disk is to blame
FREE_BYTES = 2**17  # the database needs some of it beside itself
OS_NUMBER = re.compile(r"\(os error (\d+)\)|\[errno (\d+)\]", re.IGNORECASE)


def refused(path: Path, error: Exception, verb: str = "written") -> StoreError:
    """The sentence for a `path` that could not be `verb` ("written", "made", "deleted", "read") for this `error`."""
    number = error_number(error)
    if number == errno.ENOSPC:
        return StoreError(full_disk(path))
    if number == errno.EDQUOT:
        return StoreError(
            f"Your share (quota) of the disk that holds `{path}` is used up: free some space, then resume; everything "
            "finished is kept."
        )
    if number == errno.EROFS:
        return StoreError(
            f"`{path}` could not be {verb}: its disk is read-only. Choose another folder with GRADTAG_HOME, or make "
            "the disk writable, then resume."
        )
    if number in FORBIDDEN:
        return StoreError(
            f"`{path}` could not be {verb}: this user has no permission. Change the permissions of it and of its "
            "folder, or choose another one with GRADTAG_HOME."
        )
    if number == errno.EFBIG:
        return StoreError(
            f"`{path}` could not be {verb}: it is larger than a file may be here. Raise the limit (`ulimit -f`), then "
            "resume; everything finished is kept."
        )
    return StoreError(f"`{path}` could not be {verb}: {error}. Check the disk and the folder.")


def full_disk(path: Path) -> str:
    return f"The disk that holds `{path}` is full: free some space, then resume; everything finished is kept."


def is_full(folder: Path) -> bool:
    """Whether the disk that holds a folder has next to nothing left."""
    try:
        return shutil.disk_usage(folder).free < FREE_BYTES
    except OSError:
        return False


def error_number(error: Exception) -> int | None:
    """The `errno` of an error; writers in other languages put it into their text alone."""
    number = getattr(error, "errno", None)
    found = OS_NUMBER.search(str(error)) if number is None else None
    return int(found[1] or found[2]) if found else number


def make_folder(path: Path) -> Path:
    """Make a folder and those around it, unless it is there."""
    try:
        make_durably(path)
    except OSError as error:
        raise refused(path, error, "made") from error
    return path


def make_durably(path: Path) -> None:
    """As `make_folder`, with the errors of the system: each new name is on the disk before anything is put there."""
    if path.is_dir():
        return
    if path.parent != path:
        make_durably(path.parent)
    path.mkdir(exist_ok=True)
    sync(path.parent)


def rename_folder(path: Path, target: Path) -> None:
    """Rename a folder so that a power cut does not undo it."""
    try:
        path.rename(target)
        sync(target.parent)
    except OSError as error:
        raise refused(target, error) from error


def remove_folder(path: Path) -> None:
    """Delete a folder with all that is in it, if it is there."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise refused(path, error, "deleted") from error


def sync(path: Path) -> None:
    """Wait until the disk has a file, or the names in a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
