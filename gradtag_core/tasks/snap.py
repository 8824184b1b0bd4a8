"""Readers of SNAP's edge lists and communities, and of ego networks kept as sparse matrices."""

import gzip
import io
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tokenize import TokenError

import numpy as np

from gradtag_core.errors import InvalidInput
from gradtag_core.tasks.array_file import read_npz
from gradtag_core.tasks.mat_file import check_compressed

MAX_BYTES = 256 * 2**20
MAX_LINE_BYTES = 16 * 2**20
MAX_RATIO = 25  # of text to the gzip file that holds it; lists of numbers shrink to a quarter
ALWAYS_UNPACKED = 2 * 2**20  # bytes of text that a gzip file may hold whatever its size
MAX_DIGITS = 18  # every such number fits 64 bits
GZIP = b"\x1f\x8b"
NOT_TEXT = {
    b"PK": "a zip archive (npz and xlsx files are such)",
    b"\x80": "a pickle, which is never read",
    b"\x93NUMPY": "a NumPy array",
    b"PAR1": "a parquet file",
    b"\x89HDF": "an HDF5 file",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    GZIP: "a gzip file inside another",
}
UNREADABLE = (
    ValueError, TypeError, KeyError, IndexError, EOFError, OSError, RuntimeError, MemoryError, OverflowError,
    zipfile.BadZipFile, zlib.error, SyntaxError, TokenError,  # the header of an array is Python text
)  # fmt: skip
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_edges(path: Path | str, *, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """The undirected edges of a SNAP edge list, plain or gzipped: one `u<TAB>v` a line, comments after `#`.

    Any white space separates the two node ids, whole numbers of at most 18 digits. Every edge stands once,
    or every edge stands in both directions. Returns int64 (edges, 2), each row ascending, rows sorted.
    A file that breaks a rule is an `InvalidInput` that names the line; so is one above `max_bytes` of text.
    """
    path = Path(path)
    ends, lines = array("q"), array("q")
    for line, numbers in _rows(path, max_bytes):
        if len(numbers) != 2:
            raise _wrong(path, line, "an edge must be two node ids", f"found {len(numbers)}")
        if numbers[0] == numbers[1]:
            raise _wrong(path, line, "an edge must join two different nodes", f"found {numbers[0]} twice")
        ends.extend(numbers)
        lines.append(line)
    if not lines:
        raise InvalidInput(f"`{path.name}` must list at least one edge; found none.")
    return _undirected(path, np.frombuffer(ends, np.int64).reshape(-1, 2), np.frombuffer(lines, np.int64))


def read_communities(path: Path | str, nodes: np.ndarray, *, max_bytes: int = MAX_BYTES) -> list[np.ndarray]:
    """The communities of a SNAP file, plain or gzipped: one a line, the ids of its members, comments after `#`.

    `nodes`: the ids that the graph has; any other, or one that a line names twice, is an `InvalidInput` that
    names the line. Returns int64 arrays of ascending ids, in the order of the file.
    """
    path = Path(path)
    if (
        nodes.ndim > 1 or (np.diff(nodes) <= 0).any()
    ):  # seconds are saved where millions of ids are in order already
        nodes = np.unique(nodes)
    if not len(nodes):
        raise InvalidInput("`nodes` must hold at least one node id; found none.")
    ids, lengths, lines = array("q"), array("q"), array("q")
    for line, numbers in _rows(path, max_bytes):
        ids.extend(numbers)
        lengths.append(len(numbers))
        lines.append(line)
    if not lines:
        raise InvalidInput(f"`{path.name}` must list at least one community; found none.")
    sizes = np.frombuffer(lengths, np.int64)
    members, community = np.frombuffer(ids, np.int64), np.repeat(np.arange(len(sizes)), sizes)
    members = members[np.lexsort((members, community))]
    _require_members(path, members, community, nodes, lines)
    ends = np.cumsum(sizes).tolist()
    return [members[start:end] for start, end in pairwise([0, *ends])]


def _require_members(
    path: Path,
    members: np.ndarray,
    community: np.ndarray,
    nodes: np.ndarray,
    lines: np.ndarray | Sequence[int],
) -> None:
    """Each member, sorted within its community, must stand there once and be one of the ascending `nodes`."""
    places = np.searchsorted(nodes, members)
    unknown = (places == len(nodes)) | (nodes.take(places, mode="clip") != members)
    again = np.append(False, (members[1:] == members[:-1]) & (community[1:] == community[:-1]))
    wrong = np.flatnonzero(unknown | again)
    if not len(wrong):
        return
    line = lines[int(community[wrong[0]])]
    own = wrong[community[wrong] == community[wrong[0]]]
    twice = own[again[own]]
    if len(twice):
        found = f"found {members[twice[0]]} more than once"
        raise _wrong(path, line, "a community must name each member once", found)
    found = f"found the unknown node {members[own[0]]}"
    raise _wrong(path, line, "a community must name nodes of the graph, which have edges", found)


def read_ego_network(path: Path | str, *, max_bytes: int = MAX_BYTES) -> tuple[np.ndarray, list[np.ndarray]]:
    """Edges and circles of an ego network in an npz file with the CSR parts of `adj_matrix` and `labels`.

    The layout of the ego-Facebook files of Shchur and Günnemann (2019). Only number arrays are read, so that
    nothing is unpickled. Returns edges as `read_edges`, ids being row numbers, and the members of each circle
    (a column of `labels`), an empty circle included.
    """
    path = Path(path)
    (source, target, shape), (node, circle, (n_labelled, n_circles)) = _csr_entries(
        path, ("adj_matrix", "labels"), max_bytes
    )
    if shape != (n_labelled, n_labelled):
        raise InvalidInput(
            f"`adj_matrix` of `{path.name}` must be square, with as many rows as `labels`; found the shape "
            f"{shape} and {n_labelled} labelled nodes."
        )
    edges = np.stack([source, target], axis=1)
    loops = int((source == target).sum())
    if loops or not np.array_equal(edges, edges[np.lexsort((source, target))][:, ::-1]):
        raise InvalidInput(
            f"`adj_matrix` of `{path.name}` must be symmetric with an empty diagonal: an undirected graph "
            f"without self loops; found {f'{loops} self loops' if loops else 'one-way edges'}."
        )
    if n_circles > len(circle):
        raise InvalidInput(
            f"`labels` of `{path.name}` must name at least as many members as it has columns; found "
            f"{n_circles} columns with {len(circle)} members in all."
        )
    by_circle = np.argsort(circle, kind="stable")
    starts = np.searchsorted(circle[by_circle], np.arange(1, n_circles))
    return edges[source < target], np.split(node[by_circle], starts)


def _undirected(path: Path, edges: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """The edges ascending, each once; repeated lines and directed graphs are refused."""
    pairs, flipped = np.sort(edges, axis=1), edges[:, 0] > edges[:, 1]
    order = np.lexsort((flipped, pairs[:, 1], pairs[:, 0]))
    pairs, flipped, lines = pairs[order], flipped[order], lines[order]
    repeats = (pairs[1:] == pairs[:-1]).all(axis=1)
    again = np.flatnonzero(repeats & (flipped[1:] == flipped[:-1]))
    if len(again):
        at = again[lines[again + 1].argmin()]
        raise _wrong(path, int(lines[at + 1]), "an edge must be listed once", f"it repeats line {lines[at]}")
    first = np.append(True, ~repeats)
    if 2 * first.sum() in (len(pairs), 2 * len(pairs)):
        return pairs[first]
    both = np.sort([lines[:-1][repeats], lines[1:][repeats]], axis=0)
    early, late = both[:, both[1].argmin()]
    alone = lines[first & np.append(first[1:], True)].min()
    raise _wrong(
        path,
        int(late),
        "the graph must be undirected, with every edge listed once or every edge in both directions",
        f"it reverses line {early}, while line {alone} has no reverse",
    )


def _rows(path: Path, max_bytes: int) -> Iterator[tuple[int, list[int]]]:
    """The number and the ids of each line that holds any; everything else is refused or a comment."""
    n_bytes = blank = 0
    for line, text in _lines(path, max_bytes):
        n_bytes += len(text)
        if n_bytes > max_bytes:
            raise _too_large(path, f"more than {max_bytes:,} bytes of text by line {line}", max_bytes)
        if text.startswith(b"#"):
            continue
        words = text.split()
        if not words:
            blank = blank or line
            continue
        if blank:
            raise _wrong(
                path, blank, "only the end of the file may be blank", "found an empty line before others"
            )
        for word in words:
            if not (word.isdigit() and len(word) <= MAX_DIGITS):
                raise _not_a_number(path, line, word)
        yield line, [int(word) for word in words]


def _lines(path: Path, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a text file, gunzipped, as numbered bytes; what cannot be such a file is named."""
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise _too_large(path, f"{size:,} bytes", max_bytes)
        with ExitStack() as stack:
            stream = stack.enter_context(path.open("rb"))
            if stream.peek(2).startswith(GZIP):
                unpacked = stack.enter_context(gzip.GzipFile(fileobj=stream))
                stream = stack.enter_context(io.BufferedReader(unpacked))  # its lines come faster
            head = stream.peek(8)
            for magic, kind in NOT_TEXT.items():
                if head.startswith(magic):
                    raise InvalidInput(
                        f"`{path.name}` must be plain text in UTF-8, or gzipped; found {kind}."
                    )
            if head.startswith(BYTE_ORDER_MARK):
                stream.read(len(BYTE_ORDER_MARK))
            line = n_bytes = 0
            most = max(ALWAYS_UNPACKED, MAX_RATIO * size)
            while text := stream.readline(MAX_LINE_BYTES + 1):
                line += 1
                if len(text) > MAX_LINE_BYTES:
                    found = "found a longer one"
                    raise _wrong(path, line, f"a line must have at most {MAX_LINE_BYTES:,} bytes", found)
                n_bytes += len(text)
                if n_bytes > most:  # never of plain text
                    raise InvalidInput(
                        f"`{path.name}` must not unpack to more than {MAX_RATIO} times its {size:,} bytes; found that "
                        f"it does by line {line}. Give the file unpacked."
                    )
                yield line, text
    except FileNotFoundError as error:
        raise InvalidInput(f"`{path}` must be a file; there is none.") from error
    except InvalidInput:
        raise
    except (
        OSError,
        ValueError,
        EOFError,
        zlib.error,
    ) as error:  # a path with a null character is a ValueError
        raise InvalidInput(f"`{path.name}` must be a readable file; found that {error}.") from error


def _csr_entries(
    path: Path, names: tuple[str, ...], max_bytes: int
) -> list[tuple[np.ndarray, np.ndarray, tuple[int, int]]]:
    """Row and column of each entry that is not 0, by row and then by column, and the shape of each matrix."""
    from scipy.sparse import csr_array

    parts = [[f"{name}.{part}" for part in ("data", "indices", "indptr", "shape")] for name in names]
    found = []
    try:
        with zipfile.ZipFile(path) as archive:
            n_bytes = sum(archive.getinfo(f"{part}.npy").file_size for own in parts for part in own)
        if n_bytes > max_bytes:
            raise _too_large(path, f"{n_bytes:,} bytes", max_bytes)
        for data, indices, indptr, shape in (read_npz(path, own).values() for own in parts):
            n_rows, n_columns = map(int, shape)
            matrix = csr_array((data, indices, indptr), shape=(n_rows, n_columns))
            check_compressed(matrix)
            matrix.sum_duplicates()
            row, column = matrix.nonzero()
            found.append((row.astype(np.int64), column.astype(np.int64), (n_rows, n_columns)))
    except FileNotFoundError as error:
        raise InvalidInput(f"`{path}` must be a file; there is none.") from error
    except InvalidInput:
        raise
    except UNREADABLE as error:
        raise InvalidInput(
            f"`{path.name}` must be an npz archive with the parts data, indices, indptr and shape of the sparse "
            f"matrices {' and '.join(f'`{name}`' for name in names)}; found that {error}."
        ) from error
    return found


def _not_a_number(path: Path, line: int, word: bytes) -> InvalidInput:
    try:
        shown = word[:40].decode("utf-8")
    except UnicodeDecodeError:
        shown = word[:40].decode("utf-8", "backslashreplace")
    if b"\0" in word or not shown.isprintable() or "\\x" in shown:
        return _wrong(path, line, "the file must be text in UTF-8", f"found the bytes {word[:12]!r}")
    rule = f"a node id must be a whole number from 0, of at most {MAX_DIGITS} digits"
    return _wrong(path, line, rule, f"found `{shown}`")


def _wrong(path: Path, line: int, rule: str, found: str) -> InvalidInput:
    return InvalidInput(f"`{path.name}`, line {line}: {rule}; {found}.")


def _too_large(path: Path, found: str, max_bytes: int) -> InvalidInput:
    return InvalidInput(
        f"`{path.name}` must hold at most {max_bytes:,} bytes; found {found}. Give a part of the graph, or raise "
        "`max_bytes`."
    )
