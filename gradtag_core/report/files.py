"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from gradtag_core.errors import InvalidInput, StoreError
from gradtag_core.runs.disk import FORBIDDEN, FULL

ELSEWHERE = "Choose another place."
REMEDIES = (
    (FULL, "Free some space, or choose another disk."),
    (FORBIDDEN, "Choose a folder in which you may write."),
)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file under a hidden name first; `StoreError` where the disk or the permissions refuse."""
    part = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        part = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        part.chmod(0o644)
        part.replace(path)
    except OSError as error:
        what_to_do = next((words for numbers, words in REMEDIES if error.errno in numbers), ELSEWHERE)
        reason = (error.strerror or str(error)).lower()  # without the hidden name
        raise StoreError(f"`{path}` could not be written: {reason}. {what_to_do}") from error
    finally:
        if part is not None:
            with suppress(OSError):
                part.unlink()


def require_suffix(path: Path, *suffixes: str) -> None:
    if path.suffix.lower() not in suffixes:
        wanted = " or ".join(suffixes)
        raise InvalidInput(f"The file to write must end in {wanted}; found `{path.name}`. Rename it.")
