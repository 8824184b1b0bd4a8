"""Write `debian.npz`, the graph of tagged Debian packages, from a package index.

Usage, from the project's root: `python -m sample_data.debian.build [FILE]`, where FILE holds the output of
`apt-cache dumpavail`; without it the command itself is run. Equal input gives an equal file.
"""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from gradtag_core.tasks.propagation import normalised_adjacency

TARGET = Path(__file__).with_name("debian.npz")
RELATIONS = ("Pre-Depends", "Depends", "Recommends", "Suggests")
MIN_PACKAGES = 100
EMBEDDING_COLUMNS = 64
SEED = 0


def stanzas(lines: Iterable[str]) -> Iterator[dict[str, str]]:
    """The records of a Debian control file; continuation lines are joined by a space."""
    fields: dict[str, str] = {}
    key = ""
    for line in lines:
        if not line.strip():
            if fields:
                yield fields
            fields = {}
        elif line[0] in " \t":
            fields[key] += " " + line.strip()
        else:
            key, _, value = line.partition(":")
            fields[key] = value.strip()
    if fields:
        yield fields


def tags_of(record: dict[str, str]) -> set[str]:
    """The tags of a package, without the notes that its tagging is unfinished."""
    tags = {tag.strip() for tag in record.get("Tag", "").split(",")} - {""}
    return {tag for tag in tags if "TODO" not in tag and not tag.startswith("special::")}


def related(record: dict[str, str]) -> set[str]:
    """Every package that a record relates to, alternatives included; versions and architectures are cut."""
    entries = (entry for field in RELATIONS for entry in re.split(r"[,|]", record.get(field, "")))
    return {re.split(r"[\s(:\[<]", entry.strip(), maxsplit=1)[0] for entry in entries} - {""}


def spectral_embedding(edges: np.ndarray, n_nodes: int, n_columns: int) -> np.ndarray:
    """Rows of the leading eigenvectors, each scaled to unit length (regularised spectral clustering).

    Qin and Rohe, NeurIPS 2013: the regulariser is the mean degree. Returns int8, 127 times the entries,
    (n_nodes, n_columns).
    """
    from scipy.sparse.linalg import eigsh

    adjacency = normalised_adjacency(edges, n_nodes, regulariser=2 * len(edges) / n_nodes)
    values, vectors = eigsh(adjacency, k=n_columns, which="LM", v0=np.ones(n_nodes))
    vectors = vectors[:, np.argsort(-np.abs(values), kind="stable")]
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(n_columns)])
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    # Nodes without edges have only rounding noise here; it must not be scaled to unit length.
    unit = np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-9)
    return np.rint(127 * unit).astype(np.int8)


def graph(records: Iterable[dict[str, str]]) -> tuple[list[str], np.ndarray, dict[str, set[str]]]:
    """Package names (sorted), undirected edges (E, 2) between them (sorted), and the tags of each package."""
    found = [(record["Package"], tags_of(record), related(record)) for record in records]
    tags = {package: own for package, own, _ in found if own}
    packages = sorted(tags)
    index = {package: position for position, package in enumerate(packages)}
    pairs = {
        tuple(sorted((index[package], index[other])))
        for package, _, others in found
        if package in index
        for other in others
        if other in index and other != package
    }
    return packages, np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2), tags


def arrays(
    lines: Iterable[str], min_packages: int = MIN_PACKAGES, n_columns: int = EMBEDDING_COLUMNS
) -> dict[str, np.ndarray]:
    """What the file holds; its layout is in README.md."""
    packages, edges, tags = graph(stanzas(lines))
    counts = Counter(tag for package in packages for tag in tags[package])
    frequent = [tag for tag in counts if counts[tag] >= min_packages]
    tasks = sorted(frequent, key=lambda tag: (-counts[tag], tag))
    labels = np.array([[tag in tags[package] for tag in tasks] for package in packages])
    return {
        "packages": np.array(packages, dtype=np.bytes_),
        "edges": np.ascontiguousarray(edges.T.astype(np.uint16)),
        "tags": np.array(tasks, dtype=np.bytes_),
        "labels": np.packbits(labels, axis=1),
        "embedding": spectral_embedding(edges, len(packages), n_columns),
        "order": np.random.default_rng(SEED).permutation(len(packages)).astype(np.uint16),
    }


def main() -> None:
    if len(sys.argv) > 1:
        text = Path(sys.argv[1]).read_text(encoding="utf-8")
    else:
        text = subprocess.run(["apt-cache", "dumpavail"], check=True, capture_output=True, text=True).stdout
    content = arrays(text.splitlines())
    np.savez_compressed(TARGET, allow_pickle=False, **content)
    print(
        f"{TARGET.name}: {len(content['packages']):,} packages, {content['edges'].shape[1]:,} edges, "
        f"{len(content['tags'])} tags, {TARGET.stat().st_size:,} bytes"
    )


if __name__ == "__main__":
    main()
