"""The Debian sample as texts: the same packages, tags and splits as the graph, so that two models can be compared."""

from pathlib import Path

import numpy as np

from gradtag_core.tasks.sample_files import DEBIAN_SPLIT, SAMPLE_DATA, debian_graph, read_arrays
from gradtag_core.tasks.suite import TaskSuite

MAX_LINKED = 24  # names a text holds beside the package's own


def debian_text_suite(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """Debian packages and their tags; inputs are texts (packages,) of names."""
    packages, edges = debian_graph(folder)
    tags, packed, order = read_arrays(folder / "debian" / "debian.npz", ("tags", "labels", "order"))
    return TaskSuite(
        "debian-text",
        tuple(tags.astype(str).tolist()),
        np.array(linked_names(packages.tolist(), edges), dtype=np.dtypes.StringDType()),
        np.unpackbits(packed, axis=1, count=len(tags)).astype(np.int8),
        order.astype(np.int64),
        DEBIAN_SPLIT,
    )


def linked_names(names: list[str], edges: np.ndarray, most: int = MAX_LINKED) -> list[str]:
    """For each node of an undirected graph its name, a colon, and the names of at most `most` neighbours.

    Neighbours with few edges come first, since what nearly everything links to says least; ties go by name.
    """
    near = np.concatenate([edges, edges[:, ::-1]])
    degree = np.bincount(near[:, 0], minlength=len(names))
    alphabetical = np.argsort(np.argsort(names))
    near = near[np.lexsort((alphabetical[near[:, 1]], degree[near[:, 1]], near[:, 0]))]
    ends = np.cumsum(degree)
    linked = [names[node] for node in near[:, 1].tolist()]
    return [
        f"{name}: {', '.join(linked[end - count : end][:most])}" if count else name
        for name, count, end in zip(names, degree.tolist(), ends.tolist(), strict=True)
    ]
