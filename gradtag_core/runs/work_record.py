"""What the folders of studies and sweeps have in common: one file with a summary, and results that come one by one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from gradtag_core.errors import StoreError
from gradtag_core.runs.files import read_json, write_json
from gradtag_core.runs.row import KIND_FILES, RunKind

FORMAT = 1


class WorkRecord:
    """A folder read lazily; results may be missing while the work goes on. Subclasses say what the file holds."""

    kind: ClassVar[RunKind]

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def has_summary(self) -> bool:
        return self._path.is_file()

    @property
    def _path(self) -> Path:
        return self.folder / KIND_FILES[self.kind]

    @cached_property
    def _content(self) -> dict[str, Any]:
        content = read_json(self._path)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            found = content.get("format") if isinstance(content, dict) else content
            raise StoreError(
                f"`{self._path}` must have `format` {FORMAT}; found {found!r}. It was written by another version."
            )
        return content

    @property
    def _fields(self) -> dict[str, Any]:
        """Those of the summary."""
        return {name: value for name, value in self._content.items() if name not in ("format", "results")}

    def _replace(self, fields: Mapping[str, Any], results: Any) -> None:
        """Write the file anew, and forget what was read of it."""
        write_json(self._path, {"format": FORMAT, **fields, "results": results})
        for name in ("_content", "summary", "config", "results"):
            self.__dict__.pop(name, None)
