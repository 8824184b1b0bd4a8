"""Damage to files that knows their kinds: archives, arrays, MATLAB and safetensors files, JSON, databases, text."""

import gzip
import io
import json
import random
import sqlite3
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

MAX_INPUT = 256 * 2**10  # bytes
MOST_UNPACKED = 2**20  # bytes of an archive that is taken apart
TOKENS = (
    "", "0", "-1", "1", "2", "1e308", "-1e308", "1e-320", "nan", "inf", "-inf", "NaN", "Infinity", "1_000", "0x10",
    "٣",
    "9223372036854775807", "9223372036854775808", "18446744073709551616", "-9223372036854775808", "2147483648",
    "1" * 5000,
    "null", "true", "no", "None", "\0", "\ufeff", "\u202e", "\ud7ff", "é", "𝟙",
    '"', "'", "\\", "\n", "\r", "\t", ",", ";",
    "#", "|||", "{{", "}}", "{%", "{{ text1 }}", "{{ ''.__class__.__mro__ }}", "{{ choices[label] }}",
    "{{ 9 ** 9 ** 9 }}",
    "{% for x in range(9) %}{% endfor %}", "{% if a %}", "{% endif %}", "{{ a|default('x') }}", "&a", "*a",
    "!!python/name:os",
    "<<: *a", "%YAML 1.2", "---", "...", "- ", ": ", "? ", "> ", "| ", "[" * 300, "{" * 300, "(" * 300, "not " * 400,
    "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "../../../etc/passwd", "/etc/passwd", "CON", "A" * 4000,
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 10**6, 2**31, 2**63, 2**64, 10**400, 0.5, -0.0, 1e308, 1e-320, float("nan"),
    float("inf"),
    "", "a", "1", "nan", "\0", "\ud800", "../../x", "<script>", "A" * 3000, [], [[]], {}, {"": {}}, [None],
    [0] * 50, ["a", "a"],
)  # fmt: skip
DTYPES = ("<f8", ">f8", "<f4", "<f2", "<i8", ">i4", "|i1", "|u1", "<u8", "|b1", "<c16", "|O", "<U4", "|S4", "|V8",
"<M8[s]",
          "<m8", "<f16", "<U999999999", "|S0")  # fmt: skip
SHAPES = ("()", "(0,)", "(1,)", "(3,)", "(2, 2)", "(0, 5)", "(-1, 2)", "(10**18,)", "(1000000000000,)",
"(4294967296, 4294967296)",
          "(99999999, 99999999)", "(2147483648,)", "(1, 1, 1, 1)", "(True,)", "(9999999999999999999999,)",
          "'x'")  # fmt: skip
WORDS = (0, 1, 2, 3, 5, 6, 7, 9, 14, 15, 127, 128, 255, 256, 65535, 65536, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
DOUBLES = (0.0, 1.0, -1.0, 0.5, 2.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"))

Mutate = Callable[[random.Random, bytes], bytes]


def mutant(rng: random.Random, pool: Sequence[bytes]) -> bytes:
    """One of the pool after one to four changes, most of them inside what it wraps."""
    content = rng.choice(pool)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        is_spliced = rng.random() < 0.04
        content = spliced(rng, content, rng.choice(pool)) if is_spliced else changed(rng, content)
        content = content[:MAX_INPUT]
    return content


def changed(rng: random.Random, content: bytes) -> bytes:
    """One change: of what the file holds as its kind has it, or, now and then, of its bytes."""
    if rng.random() < 0.15:
        return bytes_changed(rng, content)
    kinds: tuple[tuple[bytes, Mutate], ...] = (
        (b"PK", archive_changed), (b"\x1f\x8b", gzip_changed), (b"\x93NUMPY", array_changed), (b"MATLAB",
        matlab_changed),
        (b"PAR1", parquet_changed), (b"SQLite format 3", database_changed), (b"{", json_changed), (b"[",
        json_changed),
    )  # fmt: skip
    own = next((mutate for magic, mutate in kinds if content.startswith(magic)), None)
    if own is None:
        own = safetensors_changed if content[8:9] == b"{" else text_changed
    try:
        return own(rng, content)
    except (ValueError, KeyError, IndexError, EOFError, OSError, RuntimeError, RecursionError, NotImplementedError,
            zipfile.BadZipFile, zlib.error, struct.error, sqlite3.Error):  # fmt: skip
        return bytes_changed(rng, content)  # it is no longer of that kind


def bytes_changed(rng: random.Random, content: bytes) -> bytes:
    at = rng.randrange(len(content) + 1)
    end = min(len(content), at + rng.choice((1, 1, 2, 4, 8, 64)))
    special = struct.pack(rng.choice(("<Q", ">Q")), rng.choice((*WORDS, 2**63, 2**64 - 1)))[
        : rng.choice((1, 2, 4, 8))
    ]
    choice = rng.randrange(8)
    if choice == 0 and at < len(content):
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    return {
        0: content,
        1: content[:at],
        2: content[:at] + content[end:],
        3: content[:at] + rng.randbytes(end - at) + content[end:],
        4: content[:at] + content[at:end] * rng.choice((2, 3, 100)) + content[end:],
        5: content[:at] + special + content[at + len(special) :],
        6: content[:at] + special + content[at:],
        7: content[:at] + rng.choice(TOKENS).encode("utf-8", "surrogatepass") + content[end:],
    }[choice]


def spliced(rng: random.Random, content: bytes, other: bytes) -> bytes:
    return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def text_changed(rng: random.Random, content: bytes) -> bytes:
    """Lines and cells moved, repeated and replaced; other encodings."""
    choice = rng.randrange(9)
    if choice == 0:
        return bytes_changed(rng, content)
    if choice == 1:
        text = content.decode("utf-8", "replace")
        kind = rng.choice(("utf-16", "utf-8-sig", "latin-1", "utf-32", "cp1252"))
        return text.encode(kind, "replace")
    mark = rng.choice((b"\n", b"\n", b"\n", b"\t", b",", b" ", b":", b'"'))
    parts = content.split(mark)
    at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
    if choice == 2:
        del parts[at]
    elif choice == 3:
        parts[at], parts[other] = parts[other], parts[at]
    elif choice == 4:
        parts[at:at] = [parts[other]] * rng.choice((1, 1, 2, 50, 3000))
    elif choice == 5:
        return content.replace(mark, rng.choice((b"\r\n", b"\r", b"\t", b",", b";", b"", b"\0", b"\n\n")))
    else:
        token = rng.choice(TOKENS).encode("utf-8", "surrogatepass")
        parts[at] = rng.choice((token, parts[at] + token, token + parts[at]))
    return mark.join(parts)


def json_changed(rng: random.Random, content: bytes) -> bytes:
    """One value of the tree replaced, dropped, repeated, renamed or wrapped."""
    if rng.random() < 0.2:
        return text_changed(rng, content)
    tree = {"": json.loads(content)}
    holders: list[Any] = []
    _walk(tree, holders)
    holder = rng.choice(holders)
    key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    choice = rng.randrange(7)
    if choice == 0 and key != "":
        del holder[key]
    elif choice == 1 and isinstance(holder, list):
        holder[int(key) : int(key)] = [holder[int(key)]] * rng.choice((1, 2, 300))
    elif choice == 2 and isinstance(holder, dict):
        holder[rng.choice((*TOKENS, *holder))] = holder[key]
    elif choice == 3:
        holder[key] = rng.choice(([holder[key]], {"a": holder[key]}, str(holder[key])))
    elif choice == 4:
        deep: Any = holder[key]
        for _ in range(rng.choice((50, 900))):
            deep = [deep] if rng.random() < 0.5 else {"a": deep}
        holder[key] = deep
    else:
        holder[key] = rng.choice(VALUES)
    return json.dumps(tree[""]).encode()


def _walk(node: Any, holders: list[Any]) -> None:
    """All lists and objects that hold something."""
    if isinstance(node, dict | list) and node:
        holders.append(node)
        for inner in node.values() if isinstance(node, dict) else node:
            _walk(inner, holders)


def archive_changed(rng: random.Random, content: bytes) -> bytes:
    """A member changed, dropped, renamed, doubled or replaced; packed anew, so that its checksum is right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(info.file_size for info in archive.infolist()) > MOST_UNPACKED:
            return bytes_changed(rng, content)
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    if not members:
        return bytes_changed(rng, content)
    at = rng.randrange(len(members))
    name, data = members[at]
    choice = rng.randrange(10)
    if choice == 0:
        del members[at]
    elif choice == 1:
        members[at] = (rng.choice((*(own for own, _ in members), *TOKENS[:40], "../../x.npy")), data)
    elif choice == 2:
        members.append(rng.choice(members))
    elif choice == 3:
        members[at] = (name, rng.choice(members)[1])
    else:
        members[at] = (name, changed(rng, data))
    packed = io.BytesIO()
    method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(packed, "w", method) as archive:
        warnings.simplefilter("ignore", UserWarning)  # a name may stand twice
        for name, data in members:
            archive.writestr(zipfile.ZipInfo(name), data)
    return packed.getvalue()


def gzip_changed(rng: random.Random, content: bytes) -> bytes:
    inside = zlib.decompressobj(31).decompress(content, MOST_UNPACKED)
    return gzip.compress(changed(rng, inside), 1, mtime=0)


def array_changed(rng: random.Random, content: bytes) -> bytes:
    """The header of an npy file or the numbers below it."""
    start = 10 + struct.unpack("<H", content[8:10])[0]
    header, body = content[10:start].decode("latin-1"), content[start:]
    choice = rng.randrange(6)
    if choice == 0:
        header = _with_entry(header, "descr", repr(rng.choice(DTYPES)))
    elif choice == 1:
        header = _with_entry(header, "shape", rng.choice(SHAPES))
    elif choice == 2:
        header = text_changed(rng, header.encode()).decode("latin-1")
    elif choice == 3:
        return content[:start] + bytes_changed(rng, body)
    else:
        number = (
            struct.pack("<d", rng.choice(DOUBLES))
            if choice == 4
            else struct.pack("<q", rng.choice((-1, *WORDS)))
        )
        at = 8 * rng.randrange(len(body) // 8 + 1)
        return content[:start] + body[:at] + number + body[at + 8 :]
    encoded = header.encode("latin-1", "replace")[:65000]
    return content[:8] + struct.pack("<H", len(encoded)) + encoded + body


def _with_entry(header: str, name: str, value: str) -> str:
    before, found, after = header.partition(f"'{name}': ")
    rest = after[after.index(")") + 1 :] if name == "shape" else after[after.index(",") :]
    return before + found + value + rest


def matlab_changed(rng: random.Random, content: bytes) -> bytes:
    """A word or a number at its place, in an element or below its compression."""
    if len(content) > 136 and content[128:132] == struct.pack("<I", 15) and rng.random() < 0.8:
        size = struct.unpack("<I", content[132:136])[0]
        inside = zlib.decompressobj().decompress(content[136 : 136 + size], MOST_UNPACKED)
        packed = zlib.compress(_word_changed(rng, inside, 0))
        return content[:128] + struct.pack("<II", 15, len(packed)) + packed + content[136 + size :]
    return _word_changed(rng, content, 124)


def _word_changed(rng: random.Random, content: bytes, first: int) -> bytes:
    if rng.random() < 0.2:
        return bytes_changed(rng, content)
    if rng.random() < 0.3:
        at, word = (
            first + 8 * rng.randrange(max(1, (len(content) - first) // 8)),
            struct.pack("<d", rng.choice(DOUBLES)),
        )
    else:
        near = rng.random() < 0.7  # the headers stand first
        places = min(32, max(1, (len(content) - first) // 4)) if near else max(1, (len(content) - first) // 4)
        at, word = first + 4 * rng.randrange(places), struct.pack("<I", rng.choice(WORDS))
    return content[:at] + word + content[at + len(word) :]


def parquet_changed(rng: random.Random, content: bytes) -> bytes:
    """A few bytes, most often of the footer, which tells how the rest is read."""
    size = struct.unpack("<I", content[-8:-4])[0]
    start = max(0, len(content) - 8 - size) if rng.random() < 0.7 else 0
    end = len(content) - 8 if start else len(content)
    return content[:start] + bytes_changed(rng, content[start:end]) + content[end:]


def safetensors_changed(rng: random.Random, content: bytes) -> bytes:
    """The header's tree with its length put right, a wrong length, or the numbers."""
    size = struct.unpack("<Q", content[:8])[0]
    header, body = content[8 : 8 + size], content[8 + size :]
    choice = rng.randrange(8)
    if choice == 0:
        return struct.pack("<Q", rng.choice((*WORDS, 2**40, 2**63, 2**64 - 1, size + 8))) + content[8:]
    if choice == 1:
        return content[: 8 + size] + bytes_changed(rng, body)
    made = json_changed(rng, header)
    return struct.pack("<Q", len(made)) + made + body


def database_changed(rng: random.Random, content: bytes) -> bytes:
    """A value of a row of one of the tables, or the schema; `deserialize` keeps it in memory."""
    with sqlite3.connect(":memory:") as database:
        database.deserialize(content)
        database.execute("PRAGMA writable_schema = ON")
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        table = rng.choice(names)
        columns = [row[1] for row in database.execute(f'PRAGMA table_info("{table}")')]
        value = rng.choice((None, 0, -1, 1e308, 2**62, b"\xff\0", *TOKENS))
        statement = rng.choice(
            (
                f'UPDATE OR IGNORE "{table}" SET "{rng.choice(columns)}" = ?',
                f'DELETE FROM "{table}" WHERE ? IS NOT 0',
                f"PRAGMA user_version = {rng.choice(WORDS[:14])}",
                f'DROP TABLE "{table}"',
                f'ALTER TABLE "{table}" RENAME COLUMN "{rng.choice(columns)}" TO "other"',
            )[0 if rng.random() < 0.8 else rng.randrange(5)].replace("\0", "")
        )  # fmt: skip
        database.execute(statement, (value,) if "?" in statement else ())
        database.commit()
        return database.serialize()
