"""Small valid files of every kind that the library reads, made by its own writers where it has them."""

import gzip
import io
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

SIDE = 12  # nodes of the graph, rows of matrices
RING = [(node, (node + 1) % SIDE) for node in range(SIDE)]


def edge_lists() -> list[bytes]:
    once = b"# a comment\n" + b"".join(b"%d\t%d\n" % edge for edge in RING)
    both = b"".join(b"%d %d\n%d %d\n" % (*edge, *edge[::-1]) for edge in RING)
    return [once, both, b"\xef\xbb\xbf" + once, gzip.compress(once, mtime=0)]


def community_lists() -> list[bytes]:
    text = b"0 1 2 3\n# more\n4 5 6\n7\n0 8 9 10 11\n"
    return [text, gzip.compress(text, mtime=0), text.replace(b" ", b"\t")]


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def npz(arrays: dict[str, np.ndarray], packed: bool = False) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def mat(variables: dict[str, Any], packed: bool = False) -> bytes:
    from scipy.io import savemat

    file = io.BytesIO()
    savemat(file, variables, do_compression=packed)
    return file.getvalue()


def adjacency() -> np.ndarray:
    found = np.zeros((SIDE, SIDE))
    for first, second in RING:
        found[first, second] = found[second, first] = 1
    return found


def node_labels() -> np.ndarray:
    return (np.arange(SIDE)[:, None] % np.array([2, 3, 4]) == 0).astype(np.float64)


def csr_parts(name: str, dense: np.ndarray) -> dict[str, np.ndarray]:
    from scipy.sparse import csr_array

    found = csr_array(dense)
    parts = {
        "data": found.data,
        "indices": found.indices,
        "indptr": found.indptr,
        "shape": np.array(dense.shape),
    }
    return {f"{name}.{part}": array for part, array in parts.items()}


def ego_networks() -> list[bytes]:
    parts = csr_parts("adj_matrix", adjacency()) | csr_parts("labels", node_labels())
    return [npz(parts), npz(parts, packed=True)]


def matrices(names: tuple[str, ...], dense: np.ndarray) -> dict[str, list[bytes]]:
    """The same matrix in each way in which it may come, by kind of file."""
    from scipy.sparse import coo_array, csc_array, csr_array, save_npz

    sparse = []
    for kind in (csr_array, csc_array, coo_array):
        file = io.BytesIO()
        save_npz(file, kind(dense))
        sparse.append(file.getvalue())
    own, other = names[0], names[-1]
    return {
        "npz": [npz(csr_parts(own, dense)), npz({own: dense}), npz({other: dense.astype(np.int8)}, True), *sparse],
        "npy": [npy(dense), npy(dense.astype(np.int32)), npy(np.asfortranarray(dense.astype(np.float32)))],
        "mat": [mat({name: matrix}, packed) for name in (own, other) for matrix in (dense, csc_array(dense))
                for packed in (False, True)],
    }  # fmt: skip


def tables() -> list[bytes]:
    rows = [(f"r{row}", row, row * 0.5, row % 2, "abc"[row % 3], f"text number {row}") for row in range(SIDE)]
    header = "id,x,y,label,colour,words"
    plain = "\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n"
    quoted = plain.replace("text number", '"text, ""number""').replace("\n", '"\r\n')
    quoted = quoted.replace('words"', "words").rstrip('"')
    return [plain.encode(), plain.replace(",", ";").encode("utf-8-sig"), plain.replace(",", "\t").encode(),
            quoted.encode(), plain.replace("abc", "").replace("0.5", "").encode()]  # fmt: skip


def parquet_tables() -> list[bytes]:
    """Tables of plain columns, and of every odd type that parquet knows."""
    import pyarrow as pa

    n = SIDE
    plain = {
        "id": [f"r{row}" for row in range(n)], "x": list(range(n)), "y": [row / 2 for row in range(n)],
        "label": [row % 2 for row in range(n)], "colour": ["abc"[row % 3] for row in range(n)],
        "words": [f"text number {row}" for row in range(n)],
    }  # fmt: skip
    odd = {
        "boolean": pa.array([True, None] * (n // 2)),
        "dictionary": pa.array(plain["colour"]).dictionary_encode(),
        "decimal": pa.array([None, *range(n - 1)], pa.decimal128(38, 3)),
        "small": pa.array(range(n), pa.int8()),
        "unsigned": pa.array([2**64 - 1] * n, pa.uint64()),
        "half": pa.array(np.arange(n, dtype=np.float16)),
        "nothing": pa.nulls(n),
        "large": pa.array(plain["words"], pa.large_string()),
    }
    refused = {
        "list": pa.array([[1, 2]] * n), "struct": pa.array([{"a": 1}] * n), "bytes": pa.array([b"\xff"] * n),
        "time": pa.array([10**18] * n, pa.timestamp("ns")), "date": pa.array([2**31 - 1] * n, pa.date32()),
        "duration": pa.array([1] * n, pa.duration("s")), "map": pa.array([[("a", 1)]] * n, pa.map_(pa.string(),
        pa.int8())),
        "far": pa.array([2**62] * n, pa.timestamp("us")),
    }  # fmt: skip
    made = [_parquet(pa.table(plain)), _parquet(pa.table({**plain, **odd}))]
    return made + [_parquet(pa.table({**plain, name: column})) for name, column in refused.items()]


def _parquet(table: Any) -> bytes:
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(table, file, compression="snappy", write_page_checksum=False)
    return file.getvalue()


def pairs() -> list[bytes]:
    rows = [f'{row}\tA "first" text {row}\tA second.\t{"not_" * (row % 2)}entailment' for row in range(SIDE)]
    return [("\n".join(["index\tsentence1\tsentence2\tlabel", *rows]) + "\n").encode()]


OWN_TEMPLATES = b"""- name: plain
  prompt: |
    {{text1}} Does it follow that "{{ text2 | trim }}"? {{ answer_choices[0] }} or {{answer_choices[1]}}?
  choices: [no, yes]
- name: conditions
  prompt: "{% if text1 == 'x' and not text2 %}{{text1|upper}}{% elif text2 %}{{premise}}{{hypothesis}}{% endif %}"
  choices: ['false', "true"]
"""
PUBLIC_TEMPLATES = b"""dataset: super_glue
subset: rte
templates:
  2b52a83c: !Template
    answer_choices: Yes ||| No
    id: 2b52a83c
    jinja: '{{premise}} Does this mean that "{{hypothesis}}"? ||| {{ answer_choices[label] }}'
    metadata: !TemplateMetadata
      choices_in_prompt: true
      languages:
      - en
    name: does this imply
    reference: ''
"""


def affinity_tables() -> list[bytes]:
    named = b"task,a,b,c\na,1,0.5,-2\nb,0.1,1,1e-3\nc,0,0,3\n"
    return [
        named,
        b"\xef\xbb\xbf" + named.replace(b",", b";"),
        b"1\t2\n3\t4\n",
        b'task,"x, 1","y ""2"""\n"x, 1",1,2\n"y ""2""",3,4\n',
    ]


def task_costs() -> list[bytes]:
    return [b"a,1\nb,2.5\n\nc,1e3\n", b'\xef\xbb\xbf"a",1\r\nb,0\r\nc,3\r\n']


def as_json(*values: Any) -> list[bytes]:
    return [json.dumps(value).encode() for value in values]


@lru_cache
def grouping() -> Any:
    from gradtag_core.grouping.result import Grouping

    return Grouping(
        np.array([0, 0, 1]), ("a", "b", "c"), 1.5, 2.0, 0.5, "solved", "ADMM", "spectral", None, 2, 0.1
    )


def linearisation() -> Any:
    from gradtag_core.cost import Cost
    from gradtag_core.evaluation.linearisation import FineTuned, LinearisationTable

    return LinearisationTable((FineTuned((0, 1), 3, 0.01, True, 0.1, 0.02, 0.3),), Cost(1.0, 2.0, 3))


def method_result() -> Any:
    from gradtag_core.cost import Cost
    from gradtag_core.methods.protocol import MethodResult

    scores = np.full((2, 5), 0.5)
    return MethodResult(
        "naive_mtl",
        ("a", "b"),
        scores,
        scores,
        Cost(1.0, 2.0, 3),
        ((0, 1),),
        np.zeros(2, np.int64),
        None,
        {},
        False,
        None,
    )


@lru_cache
def suite_files() -> dict[str, list[bytes]]:
    """`suite.json` and `suite.npz` of stored suites: tables, texts and a graph, in that order."""
    from tempfile import TemporaryDirectory

    from gradtag_core.runs.suites import add_suite
    from gradtag_core.tasks.suite import SplitRule, TaskSuite

    labels = (np.arange(SIDE * 2)[:, None] % np.array([2, 3]) == 0).astype(np.int8)
    order, rule = np.arange(SIDE * 2), SplitRule(0.4, 0.3)
    texts = np.array([f"text {row}" for row in range(SIDE * 2)], dtype=np.dtypes.StringDType())
    inputs = np.arange(SIDE * 4, dtype=np.float32).reshape(-1, 2)
    edges = np.array(RING, dtype=np.int64)
    mixed = np.where(labels == 0, np.nan, np.arange(SIDE * 2)[:, None]).astype(np.float32)
    suites = [
        TaskSuite("stored", ("a", "b"), inputs, labels, order, rule),
        TaskSuite("stored", ("a", "b"), texts, labels, order, rule, choices=(("no", "yes"), ("x", "y"))),
        TaskSuite("stored", ("a", "b"), inputs[:, None].repeat(2, 1), labels, order, rule, edges),
        TaskSuite("stored", ("a", "b"), inputs, mixed, order, rule, kinds=("regression", "regression")),
    ]
    found: dict[str, list[bytes]] = {"suite.json": [], "suite.npz": []}
    for suite in suites:
        with TemporaryDirectory() as home:
            add_suite(suite, home=Path(home))
            for name, contents in found.items():
                contents.append((Path(home) / "suites" / "stored" / name).read_bytes())
    return found
