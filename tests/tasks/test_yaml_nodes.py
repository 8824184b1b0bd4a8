"""YAML as nodes: scalars stay text, nothing is constructed or followed, and faults are told by line."""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.yaml_nodes import MAX_BYTES, line_of, mapping, read_nodes, scalar

Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a file in a folder of its own: Hypothesis runs one test body many times."""

    def written(content: bytes | str) -> Path:
        path = tmp_path_factory.mktemp("yaml") / "t.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


def test_scalars_stay_text_and_know_their_lines(write: Write) -> None:
    path = write("\ufeff# note\na: no\nb: 012\nc:\n  - 2020-01-01\nd: !Template {e: null}\n")
    root = read_nodes(path)
    assert isinstance(root, yaml.MappingNode)
    entries = mapping(path, root)
    assert (scalar(path, entries, "a"), scalar(path, entries, "b")) == ("no", "012")
    assert line_of(path, entries["c"]) == "`t.yaml`, line 5"
    assert scalar(path, mapping(path, entries["d"]), "e") == "null"
    with pytest.raises(InvalidInput, match=r"`t.yaml`, line 5: `c` must be text"):
        scalar(path, entries, "c")
    with pytest.raises(InvalidInput, match=r"`t.yaml`, line 5: there must be names and values here"):
        mapping(path, entries["c"])
    assert read_nodes(write("")) is None


# Nine levels of nine would be a billion entries.
LAUGHS = "a0: &a0 [x]\n" + "".join(f"a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 9)}]\n" for n in range(9))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (LAUGHS, "line 1: the file must be YAML; found that anchors and aliases are not followed"),
        ("a: 1\nb: *c\n", "line 2: .* anchors and aliases are not followed"),
        ("- !!python/object/apply:os.system [ls]\n", "line 1: .* the tag tag:yaml.org,2002:python/.* is not"),
        ("a: !Other x\n", "the tag !Other is not known"),
        ("a: {{x}} y\n", "must stand in quotes, or below a `|`"),
        ("a: b\n c: d: e\n", "line 2: the file must be YAML; found that mapping values are not allowed here"),
        ("a\n--- b\n", "line 2: .* found that but found another document"),
        ("a: 1\nb: \x07\n", "line 2: .* unacceptable character #x0007"),
        (b"a: 1\nb: \xe9\n", "line 2: the file must be text in UTF-8; found the byte b'\\\\xe9'"),
        (b"PK\x03\x04", "must be YAML text in UTF-8; found a zip archive"),
        (b"\x80\x04.", "found a pickle, which is never read"),
        ("[" * 50_000, "must be YAML of a few levels"),
        ("[" * 25 + "]" * 25, "must be YAML of a few levels"),
        ("- a\n" * 30_000, "line 20000: .* it has more than 20,000 names and entries"),
        ("%YAML 1." + "1" * 5000 + "\n--- a", "must be YAML; found that Exceeds the limit"),
        ('"\\Uffffffff"', "must be YAML; found that"),
        ("x" * (MAX_BYTES + 1), "must have at most 262,144 bytes; found 262,145"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence(write: Write, content: str | bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as raised:
        read_nodes(write(content))
    assert "\n" not in str(raised.value) and "`t.yaml`" in str(raised.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: 1\na: 2\n", "line 2: .* found `a` again"), ("? [a]\n: b\n", "found a list or a mapping")],
)
def test_names_are_texts_that_stand_once(write: Write, content: str, message: str) -> None:
    path = write(content)
    root = read_nodes(path)
    assert root is not None
    with pytest.raises(InvalidInput, match=message):
        mapping(path, root)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for name, message in (("none.yaml", "there is none"), ("", "readable file"), ("a\0b", "readable file")):
        with pytest.raises(InvalidInput, match=message):
            read_nodes(tmp_path / name)


PIECES = st.text("ab:-[]{}|>&*!%#?'\",\n \t012é\0", max_size=60).map(str.encode) | st.binary(max_size=60)


@given(content=PIECES)
@example(content=b"%YAML 9\n")
@example(content=b"- !<tag:yaml.org,2002:int> x")
def test_no_content_crashes_the_reader(write: Write, content: bytes) -> None:
    try:
        read_nodes(write(content))
    except InvalidInput as error:
        assert "\n" not in str(error)
