"""YAML files as nodes that know their lines: every scalar stays text, and nothing is constructed or followed."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.table_file import decoded, shown

MAX_BYTES = 256 * 2**10
MAX_NODES = 20_000  # of a file: entries and names; they cost far more time than their bytes
MAX_LEVELS = 20
# Those of PromptSource, which mark nothing but mappings.
TAGS = frozenset({None, "!", "!Template", "!TemplateMetadata"})


class _Loader(yaml.BaseLoader):
    """Of other loaders, some read `no` as a truth value, and some run what a tag says."""

    n_nodes = level = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(None, None, "anchors and aliases are not followed", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag not in TAGS:
            raise yaml.MarkedYAMLError(
                None, None, f"the tag {shown(str(tag))} is not known", event.start_mark
            )
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            problem = f"it has more than {MAX_NODES:,} names and entries"
            raise yaml.MarkedYAMLError(None, None, problem, event.start_mark)
        self.level += 1
        if self.level > MAX_LEVELS:
            raise RecursionError
        try:
            return super().compose_node(parent, index)
        finally:
            self.level -= 1


def read_nodes(path: Path, max_bytes: int = MAX_BYTES) -> yaml.Node | None:
    """The only document of a YAML file in UTF-8, None for an empty one; `InvalidInput` with the line for no YAML."""
    text = _text(path, max_bytes)
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line if mark else text.count("\n", 0, getattr(error, "position", None))
        problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise InvalidInput(
            f"`{path.name}`, line {line + 1}: the file must be YAML; found that {_plain(problem)}. Text that holds "
            "a colon or braces must stand in quotes, or below a `|`."
        ) from error
    except (ValueError, OverflowError) as error:  # the scanner's own: a version or a character too large
        raise InvalidInput(f"`{path.name}` must be YAML; found that {_plain(str(error))}.") from error
    except RecursionError as error:
        raise InvalidInput(f"`{path.name}` must be YAML of a few levels; found too many.") from error


def mapping(path: Path, node: yaml.Node) -> dict[str, yaml.Node]:
    """The entries of a mapping, of which each name may stand once."""
    if not isinstance(node, yaml.MappingNode):
        raise InvalidInput(
            f"{line_of(path, node)}: there must be names and values here, as in `name: value`."
        )
    entries: dict[str, yaml.Node] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.value in entries:
            found = (
                f"`{shown(key.value)}` again" if isinstance(key, yaml.ScalarNode) else "a list or a mapping"
            )
            raise InvalidInput(f"{line_of(path, key)}: names must be texts that stand once; found {found}.")
        entries[key.value] = value
    return entries


def scalar(path: Path, entries: Mapping[str, yaml.Node], key: str) -> str:
    """An entry that is text."""
    node = entries[key]
    if not isinstance(node, yaml.ScalarNode):
        raise InvalidInput(
            f"{line_of(path, node)}: `{key}` must be text, in quotes or below a `|` where it holds braces."
        )
    return node.value


def line_of(path: Path, node: yaml.Node) -> str:
    """Where a node begins, to begin a sentence with."""
    return f"`{path.name}`, line {node.start_mark.line + 1}"


def _plain(text: str) -> str:
    return (text if text.isprintable() else ascii(text)[1:-1])[:200]


def _text(path: Path, max_bytes: int) -> str:
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InvalidInput(f"`{path.name}` must have at most {max_bytes:,} bytes; found {size:,}.")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise InvalidInput(f"`{path}` must be a file; there is none.") from error
    except (OSError, ValueError) as error:  # a path with a null character is a ValueError
        raise InvalidInput(f"`{path}` must be a readable file; found that {error}.") from error
    return decoded(path.name, content, "YAML")
