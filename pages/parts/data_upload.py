"""Uploaded files as the files that readers take, read once per content and options."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import streamlit as st

from gradtag_core.errors import InvalidInput, StoreError

Made = TypeVar("Made")
LONGEST_NAME = 100
ROUND = "data_round"


def pick(
    label: str, key: str, most_mb: int | None = None, types: list[str] | None = None, help: str | None = None
) -> Any | None:
    """An uploader of one file, emptied by `start_anew`; the browser sends no file of more than `most_mb`.

    None: what the configuration of the server says.
    """
    return st.file_uploader(
        label, type=types, key=f"{key}_{st.session_state.get(ROUND, 0)}", max_upload_size=most_mb, help=help
    )


def start_anew() -> None:
    """Empty every uploader, and with it the form."""
    st.session_state[ROUND] = st.session_state.get(ROUND, 0) + 1


def read_upload(
    builder: Callable[..., Made], files: Mapping[str, Any | None], options: Mapping[str, Any] | None = None
) -> Made:
    """`builder(**paths, **options)` on uploaded files, which lie on disk only while they are read.

    Done once per files and options, failures too; never change the result. Raises `InvalidInput` as `builder` does,
    with the user's own names of the files.
    """
    options = options or {}
    present = {parameter: file for parameter, file in files.items() if file is not None}
    stamps = [(parameter, file.file_id) for parameter, file in present.items()]
    key = repr((builder.__module__, builder.__qualname__, stamps, sorted(options.items())))
    return once(key, lambda: _built(builder, present, options))


def once(key: str, work: Callable[[], Made]) -> Made:
    """The result of `work`, done once per `key`; its `InvalidInput` is kept and raised again."""
    found = _kept(key, work)
    if isinstance(found, InvalidInput):
        raise InvalidInput(*found.args)
    return found


@st.cache_resource(max_entries=6, scope="session", show_spinner="Reading the data …")
def _kept(key: str, _work: Callable[[], Any]) -> Any:
    try:
        return _work()
    except InvalidInput as error:
        return InvalidInput(*error.args)  # without the traceback, which holds the file


def _built(builder: Callable[..., Made], files: Mapping[str, Any], options: Mapping[str, Any]) -> Made:
    with _on_disk(files) as paths:
        return builder(**paths, **options)


@contextmanager
def _on_disk(files: Mapping[str, Any]) -> Iterator[dict[str, Path]]:
    """Each file under its own name in a folder of its own: two may have the same name."""
    with TemporaryDirectory(prefix="gradtag-upload-") as folder:
        paths = {parameter: Path(folder) / parameter / file_name(file) for parameter, file in files.items()}
        try:
            for parameter, path in paths.items():
                path.parent.mkdir()
                path.write_bytes(files[parameter].getbuffer())
        except OSError as error:
            raise StoreError(
                f"The upload could not be put into the folder for temporary files: {error.strerror}. Free some space."
            ) from error
        yield paths


def file_name(file: Any) -> str:
    """The name of an uploaded file as a name on this disk, its ending kept."""
    name = Path(file.name.replace("\\", "/")).name
    printable = "".join(letter for letter in name if letter.isprintable())
    return printable[-LONGEST_NAME:] if printable.strip(". ") else "upload"
