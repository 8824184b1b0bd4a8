"""What users write on a run: a note, tags, and whether it is put away; also on samples, which are read-only."""

from __future__ import annotations

import sqlite3
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from gradtag_core.errors import InvalidInput

NOTE_LENGTH = 10_000
MAX_TAGS = 20
TAG_LENGTH = 40
SEPARATOR = ","  # no tag holds one


def annotations_of(database: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """The annotations of every run that has any, as fields of its row, by run id."""
    return {record["run_id"]: _fields(record) for record in database.execute("SELECT * FROM annotations")}


def annotation_of(database: sqlite3.Connection, run_id: str) -> dict[str, Any]:
    """The annotations of one run as fields of its row; empty where it has none."""
    record = database.execute("SELECT * FROM annotations WHERE run_id = ?", (run_id,)).fetchone()
    return _fields(record) if record else {}


def _fields(record: sqlite3.Row) -> dict[str, Any]:
    tags = tuple(tag for tag in str(record["tags"]).split(SEPARATOR) if tag)
    return {"note": str(record["note"]), "tags": tags, "archived": bool(record["archived"])}


def write_annotation(database: sqlite3.Connection, run_id: str, columns: Mapping[str, Any]) -> None:
    """Replace some columns of a run's annotation."""
    database.execute("INSERT OR IGNORE INTO annotations (run_id) VALUES (?)", (run_id,))
    for column, value in columns.items():
        database.execute(f"UPDATE annotations SET {column} = ? WHERE run_id = ?", (value, run_id))


def checked_annotation(note: str | None, tags: Sequence[str] | None, archived: bool | None) -> dict[str, Any]:
    """The columns to write; None: left as it is. Raises `InvalidInput` for what breaks a rule."""
    columns: dict[str, Any] = {}
    if note is not None:
        columns["note"] = _checked_note(note)
    if tags is not None:
        columns["tags"] = SEPARATOR.join(checked_tags(tags))
    if archived is not None:
        columns["archived"] = int(archived)
    return columns


def _checked_note(note: str) -> str:
    note = note.replace("\r\n", "\n").strip()
    if len(note) > NOTE_LENGTH or not is_plain(note, but="\n\t"):
        raise InvalidInput(
            f"`note` must have at most {NOTE_LENGTH:,} characters, without control characters; found "
            f"{len(note):,} characters. Shorten it, or remove what cannot be seen."
        )
    return note


def checked_tags(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags without spaces around them, each once, in the order of the alphabet."""
    if isinstance(tags, str):
        raise InvalidInput(f"`tags` must be a list of texts; found the text {tags!r}. Put it into a list.")
    found = sorted({tag.strip() for tag in tags}, key=lambda tag: (tag.casefold(), tag))
    for tag in found:
        if not 1 <= len(tag) <= TAG_LENGTH or SEPARATOR in tag or not is_plain(tag):
            raise InvalidInput(
                f"`tags` must have 1 to {TAG_LENGTH} characters each, without commas and control characters; found "
                f"{tag[: 2 * TAG_LENGTH]!r}. Shorten or split it."
            )
    if len(found) > MAX_TAGS:
        raise InvalidInput(f"`tags` must be at most {MAX_TAGS}; found {len(found)}. Remove some.")
    return tuple(found)


def is_plain(text: str, but: str = "") -> bool:
    """Whether a text can be stored and shown: no control characters `but` these, no halves of characters."""
    return not any(
        unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") and character not in but
        for character in text
    )
