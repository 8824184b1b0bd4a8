"""Files made to harm a reader: pickles, archives that unpack to far more, headers that promise too much."""

import gzip
import io
import json
import pickle
import struct
import zipfile
import zlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.fuzz_corpus import mat, npy, npz

HUGE = 2**40


class Bomb:
    """Makes the file at `path` when it is unpickled."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path(self.path).touch, ()


@lru_cache
def pickles(path: str = "unpickled") -> list[bytes]:
    """A pickle that runs code, alone and as an object array in an npy and an npz file."""
    bomb = np.array([[Bomb(path)]], dtype=object)
    file = io.BytesIO()
    np.save(file, bomb, allow_pickle=True)
    archive = _zip({"labels.npy": file.getvalue(), "adj_matrix.npy": file.getvalue()})
    sparse = _zip({f"{name}.{part}.npy": file.getvalue() for name in ("adj_matrix", "labels")
                   for part in ("data", "indices", "indptr", "shape")})  # fmt: skip
    return [
        pickle.dumps(Bomb(path)),
        file.getvalue(),
        archive,
        sparse,
        gzip.compress(pickle.dumps(Bomb(path)), mtime=0),
    ]


@lru_cache
def promised_arrays() -> list[bytes]:
    """Headers of npy files that promise far more than is there, alone and in archives."""
    found = [
        npy_header(shape)
        for shape in ((HUGE,), (2**31, 2**31), (2**63,), (-1, 5), (10**7, 10**7), (0, 2**62))
    ]
    found += [npy_header((1,), "|O"), npy_header((3, 3), "<U268435456"), npy_header((2, 2), "|V1073741824")]
    return found + [_zip({"adj_matrix.npy": header, "labels.npy": header}) for header in found]


def npy_header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"\0" * 64


@lru_cache
def large_archives() -> list[bytes]:
    """A little file that unpacks to 1 GB, one that lies about its size, and sparse matrices with huge sides."""
    zeros = _zip({"labels.npy": npy(np.zeros((4000, 32000)))}, zipfile.ZIP_DEFLATED)
    lie = bytearray(zeros)
    start = zeros.rindex(b"PK\x01\x02")
    lie[start + 24 : start + 28] = struct.pack("<I", 100)
    found = [zeros, bytes(lie)]
    for n_rows, n_columns in ((10**7, 10**7), (1, 10**7), (10**7, 1), (2**31, 3), (2**62, 2**62)):
        starts = np.zeros(min(n_rows, 10**7) + 1, np.int32)
        starts[-1] = 1
        shape = np.array([n_rows, n_columns])
        parts = {"data": np.ones(1), "indices": np.zeros(1, np.int32), "shape": shape, "indptr": starts}
        members = {
            f"{name}.{part}.npy": npy(array)
            for name in ("adj_matrix", "labels")
            for part, array in parts.items()
        }
        coo = {
            "format": np.array(b"coo"),
            "row": starts[:1],
            "col": starts[:1],
            "data": parts["data"],
            "shape": shape,
        }
        found += [_zip(members, zipfile.ZIP_DEFLATED), npz(coo)]
    return found


@lru_cache
def matlab_files() -> list[bytes]:
    """Variables that promise huge sides, below compression too; cells, structs, texts and functions."""
    plain = mat({"network": np.eye(2), "group": np.eye(2)})
    at = plain.index(struct.pack("<IIii", 5, 8, 2, 2))
    found = []
    for sides in ((2**31 - 1, 2**31 - 1), (2**31 - 1, 1), (10**7, 10**7), (-1, 5), (0, 0), (10**6, 10**6)):
        made = plain[: at + 8] + struct.pack("<ii", *sides) + plain[at + 16 :]
        packed = zlib.compress(made[128:])
        found += [made, made[:128] + struct.pack("<II", 15, len(packed)) + packed]
    found.append(mat({"network": np.zeros((4000, 30000))}, packed=True))
    odd = (
        {"a": 1},
        np.array([[1, "x"]], dtype=object),
        "text",
        np.eye(2) * 1j,
        np.zeros((2, 2, 2)),
        np.array([[Bomb]]),
    )
    found += [mat({"network": value, "group": value}) for value in odd[:5]]
    header = plain[:128]
    nested = b""
    for _ in range(300):
        nested = struct.pack("<II", 14, len(nested)) + nested
    return [
        *found,
        header + nested,
        header,
        b"MATLAB 7.3 MAT-file".ljust(512, b" "),
        plain[:126] + b"XX" + plain[128:],
    ]


@lru_cache
def texts() -> list[bytes]:
    """Lines and cells without end, characters that are none, and files that are another's."""
    return [
        b"", b"\0" * 1000, b"\n" * 200_000, b"," * 200_000, b"1 " * 100_000, b"a" * 200_000,
        b'"' * 100_001, b"\xff" * 1000,
        b"a,a\n1,2\n", b"a\n" + b"9" * 5000, b"1\t2\n" * 3000, "٣\t٤\n".encode(), b"\xef\xbb\xbf" * 3,
        b"=cmd|' /C calc'!A0,x\n1,2\n",
        b'a,b\n"' + b"x" * 140_000 + b'",1\n', b"a,b\n1,1e999\n", b"a;b\n1,5;2,5\n",
        ",".join(f"c{n}" for n in range(30_000)).encode(),
        gzip.compress(b"1 2\n" * 3_000_000, 1, mtime=0), gzip.compress(b"0" * 50_000_000, 1, mtime=0),
        gzip.compress(gzip.compress(b"1 2\n", mtime=0), mtime=0), gzip.compress(b"0 1\n", mtime=0)[:-6],
    ]  # fmt: skip


@lru_cache
def yaml_files() -> list[bytes]:
    """Billion laughs, tags that run code, deep and wide trees, and what Jinja's sandbox must stop."""
    laughs = "a: &a [x, x]\n" + "".join(
        f"{name}: &{name} [*{last}, *{last}, *{last}]\n"
        for last, name in zip("abcdefghij", "bcdefghijk", strict=True)
    )
    tags = (
        "!!python/object/apply:os.system ['touch unpickled']",
        "!!python/name:os.system",
        "!<x> y",
        "!!binary aGk=",
    )
    prompts = (
        "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ text1.__init__.__globals__ }}", "{{ 9**9**9 }}",
        "{% for x in range(10**9) %}x{% endfor %}", "{{ 'a' * 10**9 }}", "{{ text1|format(1) }}",
        "{% include '/etc/passwd' %}",
        "{% set x = 1 %}", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{{ text1|center(10**9) }}",
        "{{ cycler.__init__ }}", "{% raw %}{{ x }}{% endraw %}", "{{ [1]*10 }}", "{{ text1|attr('upper') }}",
        "{{ text1 ~ text2 }}", "{{ answer_choices[10**30] }}", "{{ " + "not " * 5000 + "text1 }}",
        "{{ " + "(" * 2000 + " }}",
        "{{ " + "-" * 3000 + "1 }}", "{{ " + "1" * 5000 + " }}", "{% if text1 %}" * 300 + "{% endif %}" * 300,
        "{{ text1 " + "|trim" * 2000 + " }}", "{{ text1 == " * 1 + " == ".join(["text1"] * 3000) + " }}",
        "{% if text1 %}a" + "{% elif text2 %}b" * 3000 + "{% endif %}", "{{ text1 " + "and text2 " * 3000 + "}}",
    )  # fmt: skip
    templates = [
        f"- name: a\n  prompt: {json.dumps(prompt + ' {{text1}} {{text2}}')}\n  choices: [no, yes]\n"
        for prompt in prompts
    ]
    wide = "- {name: a, prompt: '{{text1}}{{text2}}', choices: [no, yes]}\n" * 3000
    return [one.encode() for one in (
        laughs, *(f"- {tag}\n" for tag in tags), *templates, wide, "[" * 5000, "- " * 5000 + "a", "{a: " * 3000,
        "? " * 3000,
        "%YAML 1." + "1" * 5000 + "\n---\na", "%TAG ! !\n" * 2000, "a: b\n" * 20_000, '"\\U00110000"', '"\\ud800"',
        "'" + "x\n" * 60_000,
        "- |9\n" * 1000, "--- a\n--- b\n", "&a " * 2000, "a" * 250_000, "{" + "a, " * 40_000, "#" * 250_000,
        "- a\n" * 60_000,
        "[" + "[], " * 40_000, "? a\n" * 30_000, "!" * 5000, "\x85" * 5000, "a:\n" + " " * 200_000,
    )]  # fmt: skip


@lru_cache
def json_files() -> list[bytes]:
    """Deep and wide trees, numbers that no float holds, and values of every wrong kind."""
    deep = [b"[" * 100_000, b'{"a":' * 50_000, b"[" * 900 + b"]" * 900]
    plain = [
        None,
        True,
        0,
        -1,
        "",
        "a",
        [],
        [1],
        {},
        {"": 1},
        {"format": 1},
        {"format": 2},
        [[["a"]]],
        {"version": "\ud800"},
    ]
    odd = [
        b"NaN",
        b"[Infinity]",
        b"1" * 5000,
        b"1e999",
        b'{"a": 1, "a": 2}',
        b"\xff\xfe{\0}\0",
        b"\xef\xbb\xbf{}",
        b'"\\ud800"',
        b"",
    ]
    return deep + odd + [json.dumps(value).encode() for value in plain]


@lru_cache
def tensor_files() -> list[bytes]:
    """Headers of safetensors that promise too much, overlap, or are no header."""
    found = [struct.pack("<Q", size) + b"{}" for size in (0, 2, 3, HUGE, 2**63, 2**64 - 1, 10**8)]
    for shape, offsets, kind in (([HUGE], [0, 8], "F64"), ([2**63, 2], [0, 8], "F64"), ([0], [0, 0], "F64"), ([1],
    [8, 0], "F64"),
                                 ([1], [0, HUGE], "F64"), ([-1], [0, 8], "F64"), ([2], [0, 8], "F32"), ([1], [0,
                                 8], "F99"),
                                 ([4], [0, 8], "BF16"), ([8], [0, 8], "F8_E4M3"), ([1], [0, 8], "C64")):  # fmt: skip
        header = json.dumps({"a": {"dtype": kind, "shape": shape, "data_offsets": offsets}}).encode()
        found.append(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    return found


@lru_cache
def parquet_files() -> list[bytes]:
    """A little table that unpacks to far more, and a file that is but its marks."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    many = io.BytesIO()
    pq.write_table(
        pa.table({"a": pa.array(["x" * 10_000] * 9_000).dictionary_encode(), "b": [1] * 9_000}), many
    )
    nested = pa.array([1])
    for _ in range(60):
        nested = pa.StructArray.from_arrays([nested], ["a"])
    deep = io.BytesIO()
    pq.write_table(pa.table({"a": nested}), deep)
    columns = io.BytesIO()
    pq.write_table(pa.table({f"c{number}": [1] for number in range(2_000)}), columns)
    return [
        many.getvalue(),
        deep.getvalue(),
        columns.getvalue(),
        b"PAR1" * 3,
        b"PAR1" + struct.pack("<I", 2**31) + b"PAR1",
    ]


def _zip(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method, 1)
    return file.getvalue()
