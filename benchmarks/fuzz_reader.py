"""What the fuzzer knows of a reader."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gradtag_core.errors import GradTagError


def nothing() -> list[bytes]:
    return []


@dataclass(frozen=True)
class Reader:
    """`call` reads the file at a path, which is called `file` and lies in a folder of its own.

    `corpus`: valid inputs, which it must accept; `hostile`: inputs made to harm it. `prepare` puts other files into the
    folder. `share`: of the inputs of a campaign, relative to other readers. `allowed`: what it may raise.
    """

    name: str
    file: str
    corpus: Callable[[], list[bytes]]
    call: Callable[[Path], object]
    hostile: Callable[[], list[bytes]] = nothing
    prepare: Callable[[Path], None] | None = None
    share: float = 1.0
    allowed: type[BaseException] = GradTagError

    @property
    def folder(self) -> str:
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)

    def path_in(self, folder: Path) -> Path:
        return folder / self.folder / self.file
