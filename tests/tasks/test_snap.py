"""Readers of graphs: what they must read, and that every bad line is named."""

import gzip
import io
import pickle
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.snap import MAX_LINE_BYTES, read_communities, read_edges, read_ego_network

EGO_FACEBOOK = Path(__file__).parents[3] / "shared" / "data" / "facebook_ego"
NODES = np.arange(1, 7)


Write = Callable[..., Path]


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory) -> Write:
    """Writes a file in a folder of its own: Hypothesis runs one test body many times."""

    def written(content: bytes | str, name: str = "graph.txt") -> Path:
        path = tmp_path_factory.mktemp("snap") / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return written


@st.composite
def edge_sets(draw: st.DrawFn) -> list[tuple[int, int]]:
    node = st.integers(0, 10**18 - 1) | st.integers(0, 9)
    pairs = st.tuples(node, node).filter(lambda pair: pair[0] != pair[1])
    return draw(st.lists(pairs, min_size=1, max_size=25, unique_by=lambda pair: tuple(sorted(pair))))


def as_lines(draw: Callable[..., Any], rows: Sequence[tuple[int, ...]]) -> bytes:
    """Rows with comments anywhere, any white space, any line ending, and sometimes gzipped."""
    comment = st.sampled_from(["", "# Nodes: 3 Edges: 2\n", "#\n", "# é\n"])
    end = draw(st.sampled_from(["\n", "\r\n"]))
    space = st.sampled_from(["\t", " ", " \t "])
    text = "".join(draw(comment) + draw(space).join(map(str, row)) + end for row in rows)
    content = (text + draw(st.sampled_from(["", "\n", " \n\n", "# end"]))).encode()
    content = draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + content
    return gzip.compress(content) if draw(st.booleans()) else content


@given(edges=edge_sets(), data=st.data())
def test_edges_are_read_in_any_order_and_direction(
    write: Write, edges: list[tuple[int, int]], data: st.DataObject
) -> None:
    rows = [pair if data.draw(st.booleans()) else pair[::-1] for pair in data.draw(st.permutations(edges))]
    if data.draw(st.booleans()):
        rows = data.draw(st.permutations([*rows, *(pair[::-1] for pair in rows)]))
    found = read_edges(write(as_lines(data.draw, rows)))
    assert found.dtype == np.int64
    assert found.tolist() == sorted([min(pair), max(pair)] for pair in edges)


@given(
    rows=st.lists(st.lists(st.sampled_from(range(1, 7)), min_size=1, unique=True), min_size=1), data=st.data()
)
def test_communities_are_read_in_the_order_of_the_file(
    write: Write, rows: list[list[int]], data: st.DataObject
) -> None:
    found = read_communities(write(as_lines(data.draw, [tuple(row) for row in rows])), NODES)
    assert [own.tolist() for own in found] == [sorted(row) for row in rows]


@given(content=st.binary(max_size=200) | st.text("0123456789 \t\n#-x", max_size=80).map(str.encode))
@example(content=b"\x1f\x8b")
@example(content=gzip.compress(b"1 2\n")[:-9])
@example(content=b"1 2\n\x00")
def test_no_content_crashes_a_reader(write: Write, content: bytes) -> None:
    path = write(content)
    for read in (
        lambda: [read_edges(path)],
        lambda: read_communities(path, NODES),
        lambda: [read_ego_network(path)[0]],
    ):
        try:
            assert all(array.dtype == np.int64 for array in read())
        except InvalidInput as error:
            assert path.name in str(error)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\n3\n", "line 2: an edge must be two node ids; found 1"),
        ("# c\n1\t2\t0.5\n", "line 2: a node id must be a whole number .*; found `0.5`"),
        ("1\t2\n1 2 3\n", "line 2: an edge must be two node ids; found 3"),
        ("1\t2\n2\tx\n", "line 2: a node id .* found `x`"),
        ("1\t2\n-2\t3\n", "line 2: a node id .* found `-2`"),
        ("1\t2\n1_0\t3\n", "line 2: a node id .* found `1_0`"),
        ("1\t2\n٣\t3\n", "line 2: a node id .* found `٣`"),
        (f"1\t2\n{10**18}\t3\n", "line 2: a node id .* at most 18 digits; found `1000000000000000000`"),
        ("source,target\n1,2\n", "line 1: a node id .* found `source,target`"),
        ("1\t2\n# c\n5\t5\n", "line 3: an edge must join two different nodes; found 5 twice"),
        ("1\t2\n3\t4\n1\t2\n", "line 3: an edge must be listed once; it repeats line 1"),
        ("3\t4\n1\t2\n2\t1\n4\t3\n4\t3\n", "line 5: an edge must be listed once; it repeats line 4"),
        (
            "5\t6\n4\t3\n9\t1\n3\t4\n6\t5\n",
            "line 4: .* undirected, .*; it reverses line 2, while line 3 has no",
        ),
        ("1\t2\n\n3\t4\n", "line 2: only the end of the file may be blank"),
        ("", "must list at least one edge; found none"),
        ("# nothing\n\n", "must list at least one edge; found none"),
        (
            "1\t2\n3\t4\xff\n".encode("latin-1"),
            r"line 2: the file must be text in UTF-8; found the bytes b'4\\xff'",
        ),
        ("1\t2\n".encode("utf-16"), "found text in UTF-16"),
        ("1\t2\n".encode("utf-16-le"), "line 1: the file must be text in UTF-8"),
    ],
)
def test_a_bad_edge_is_named_by_its_line(write: Write, text: str | bytes, message: str) -> None:
    for content in (text, gzip.compress(text if isinstance(text, bytes) else text.encode())):
        with pytest.raises(InvalidInput, match=f"^`graph.txt`.*{message}"):
            read_edges(write(content))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\t2\n3\t7\t8\n", "line 2: .*; found the unknown node 7"),
        ("1\t2\n3 4 3\n", "line 2: .* once; found 3 more than once"),
        ("1\t2\n\n3\n", "line 2: only the end of the file may be blank"),
        ("1\ttwo\n", "line 1: a node id .* found `two`"),
        ("", "must list at least one community; found none"),
    ],
)
def test_a_bad_community_is_named_by_its_line(write: Write, text: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"^`graph.txt`.*{message}"):
        read_communities(write(text), NODES)


def test_a_graph_without_nodes_has_no_communities(write: Write) -> None:
    with pytest.raises(InvalidInput, match="`nodes`"):
        read_communities(write("1\t2\n"), NODES[:0])


def zipped() -> bytes:
    with zipfile.ZipFile(content := io.BytesIO(), "w") as archive:
        archive.writestr("edges.txt", "1\t2\n")
    return content.getvalue()


def saved(**arrays: np.ndarray) -> bytes:
    np.savez(content := io.BytesIO(), allow_pickle=True, **arrays)
    return content.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (zipped(), "zip archive"),
        (pickle.dumps([(1, 2)]), "pickle"),
        (gzip.compress(pickle.dumps([(1, 2)])), "pickle"),
        (pickle.dumps([(1, 2)], protocol=0), "line 1"),
        (saved(edges=NODES), "zip archive"),
        (b"PAR1" + bytes(8), "parquet"),
        (gzip.compress(gzip.compress(b"1\t2\n")), "gzip file inside another"),
        (gzip.compress(b"1\t2\n" * 9)[:-6], "must be a readable file"),
        (gzip.compress(b"1\t2\n")[:-8] + bytes(8), "must be a readable file"),
    ],
    # A gzip file holds the time it was made, so two workers would name these cases differently.
    ids=lambda value: "" if isinstance(value, bytes) else None,
)
def test_a_renamed_or_damaged_file_is_recognised(write: Write, content: bytes, message: str) -> None:
    for read in (read_edges, lambda path: read_communities(path, NODES)):
        with pytest.raises(InvalidInput, match=f"^`graph.txt`.*{message}"):
            read(write(content))


@pytest.mark.parametrize("read", [read_edges, read_ego_network, lambda path: read_communities(path, NODES)])
def test_a_missing_file_and_a_folder_are_named(read, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="absent"):
        read(tmp_path / "absent")
    with pytest.raises(InvalidInput, match=tmp_path.name):
        read(tmp_path)


def test_sizes_are_limited_before_anything_is_kept(write: Write) -> None:
    edges = "".join(f"{node}\t{node + 1}\n" for node in range(1000))
    assert len(read_edges(write(edges), max_bytes=len(edges))) == 1000
    for content in (edges.encode(), gzip.compress(edges.encode())):
        with pytest.raises(InvalidInput, match=f"at most {len(edges) - 1:,} bytes"):
            read_edges(write(content), max_bytes=len(edges) - 1)


def test_a_line_that_unpacks_without_end_is_cut_off(write: Write) -> None:
    bomb = gzip.compress(b"1" * (MAX_LINE_BYTES + 10), compresslevel=1)
    with pytest.raises(InvalidInput, match="line 1: a line must have at most"):
        read_edges(write(bomb))


def ego(adjacency: np.ndarray, labels: np.ndarray, **changed: np.ndarray) -> bytes:
    parts = {}
    for name, dense in (("adj_matrix", adjacency), ("labels", labels)):
        matrix = csr_array(dense.astype(np.float32))
        for part in ("data", "indices", "indptr"):
            parts[f"{name}.{part}"] = getattr(matrix, part)
        parts[f"{name}.shape"] = np.array(matrix.shape)
    others = {"node_names": np.array(None, dtype=object)}
    return saved(**(parts | others | changed))


PATH_OF_THREE = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
CIRCLES = np.array([[1, 0, 0], [1, 0, 1], [0, 0, 1]])


def test_an_ego_network_is_read_without_its_pickled_parts(write: Write) -> None:
    edges, circles = read_ego_network(write(ego(PATH_OF_THREE, CIRCLES), "ego.npz"))
    assert edges.tolist() == [[0, 1], [1, 2]]
    assert [own.tolist() for own in circles] == [[0, 1], [], [1, 2]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ego(np.triu(PATH_OF_THREE), CIRCLES), "one-way edges"),
        (ego(PATH_OF_THREE + np.eye(3), CIRCLES), "3 self loops"),
        (ego(PATH_OF_THREE[:2], CIRCLES), "must be square"),
        (ego(PATH_OF_THREE, CIRCLES[:2]), "2 labelled nodes"),
        (ego(PATH_OF_THREE, CIRCLES, **{"labels.shape": np.array([3, 10**15])}), "columns with 4 members"),
        (ego(PATH_OF_THREE, CIRCLES, **{"labels.indices": np.array([0, 0, 2, 9])}), "npz archive"),
        (ego(PATH_OF_THREE, CIRCLES, **{"labels.shape": np.array([3])}), "npz archive"),
        (
            ego(PATH_OF_THREE, CIRCLES, **{"labels.data": np.array([None] * 4)}),
            "an array holds objects, which are pickled",
        ),
        (saved(edges=NODES), "npz archive .* `adj_matrix` and `labels`"),
        (b"1\t2\n", "npz archive"),
    ],
)
def test_a_bad_ego_network_is_named(write: Write, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=f"`ego.npz`.*{message}"):
        read_ego_network(write(content, "ego.npz"))


def test_an_ego_network_has_a_size_limit(write: Write) -> None:
    with pytest.raises(InvalidInput, match="at most 100 bytes"):
        read_ego_network(write(ego(PATH_OF_THREE, CIRCLES)), max_bytes=100)


@pytest.mark.skipif(
    not EGO_FACEBOOK.is_dir(), reason="ego-Facebook (../shared/data/facebook_ego) is not here"
)
@pytest.mark.parametrize(("name", "n_edges", "n_circles"), [("fb_1912", 30_025, 46), ("fb_698", 270, 13)])
def test_ego_facebook_has_its_known_size(name: str, n_edges: int, n_circles: int) -> None:
    edges, circles = read_ego_network(EGO_FACEBOOK / f"{name}.npz")
    assert (len(edges), len(circles)) == (n_edges, n_circles)


def test_a_little_file_that_unpacks_to_far_more_is_cut_off(write: Write) -> None:
    bomb = gzip.compress(b"1 2\n" * 1_000_000)
    with pytest.raises(
        InvalidInput,
        match=r"must not unpack to more than 25 times its .* bytes; found that it does by line 5",
    ):
        read_edges(write(bomb))
    usual = "".join(f"{node}\t{node + 1}\n" for node in range(300_000)).encode()
    assert len(usual) > 2 * 2**20 and len(read_edges(write(gzip.compress(usual, 1)))) == 300_000


def test_what_is_no_path_is_named() -> None:
    with pytest.raises(InvalidInput, match="must be a readable file"):
        read_edges("a\0b")


def test_the_first_line_that_is_wrong_is_named(write: Write) -> None:
    for text, message in (
        ("0 1\n2 9 2\n7 7\n", "line 2: .* found 2 more than once"),
        ("0 1\n2 9\n2 2\n", "line 2: .* found the unknown node 9"),
        ("0 1\n\n", None),
    ):
        path = write(text.encode())
        if message is None:
            assert [own.tolist() for own in read_communities(path, np.arange(4))] == [[0, 1]]
            continue
        with pytest.raises(InvalidInput, match=message):
            read_communities(path, np.arange(4))
