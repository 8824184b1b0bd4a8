"""Readers of the data sets in `sample_data`; each folder's README gives origin, licence and layout."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.array_file import read_npz
from gradtag_core.tasks.name_tokens import hashed_tokens
from gradtag_core.tasks.propagation import propagate
from gradtag_core.tasks.scaling import standardise
from gradtag_core.tasks.suite import SplitRule, TaskSuite

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
DEBIAN_HOPS = 3
DEBIAN_TOKEN_COLUMNS = 64
INK = 16  # a black pixel of a digit
DIGITS_SPLIT = SplitRule(train=0.3)  # at 10 %, ten passes over 180 images leave models that find no positive
DEBIAN_SPLIT = SplitRule(cap_train=600, cap_validation=400, cap_test=2000)


def read_arrays(path: Path, names: tuple[str, ...]) -> tuple[np.ndarray, ...]:
    """The named arrays of an npz file; a missing or damaged file is an `InvalidInput` that names it."""
    try:
        with path.open("rb") as file:
            if not zipfile.is_zipfile(file):
                raise zipfile.BadZipFile("it is not an archive")
            return tuple(read_npz(file, names).values())
    except FileNotFoundError as error:
        raise InvalidInput(
            f"The sample file `{path}` is missing; install the project again, or build the file as "
            "`README.md` beside it says."
        ) from error
    except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidInput(
            f"The sample file `{path}` must be an npz archive that holds {quoted(names, limit=len(names))}; "
            f"it is damaged ({error}). Restore the file, or build it as `README.md` beside it says."
        ) from error


def debian_graph(folder: Path = SAMPLE_DATA) -> tuple[np.ndarray, np.ndarray]:
    """Package names (n,) and the undirected edges (E, 2) between them."""
    packages, edges = read_arrays(folder / "debian" / "debian.npz", ("packages", "edges"))
    return packages.astype(str), np.ascontiguousarray(edges.T, dtype=np.int64)


def debian_suite(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """Debian packages and their tags: inputs (packages, 4 hops, 128 features) know structure and names."""
    packages, edges = debian_graph(folder)
    tags, packed, embedding, order = read_arrays(
        folder / "debian" / "debian.npz", ("tags", "labels", "embedding", "order")
    )
    features = np.hstack([embedding / 127, hashed_tokens(packages.tolist(), DEBIAN_TOKEN_COLUMNS)])
    # Hop by hop, since scaling all at once would take four times the memory.
    hops = [standardise(hop) for hop in np.moveaxis(propagate(features, edges, DEBIAN_HOPS), 1, 0)]
    return TaskSuite(
        "debian",
        tuple(tags.astype(str).tolist()),
        np.stack(hops, axis=1),
        np.unpackbits(packed, axis=1, count=len(tags)).astype(np.int8),
        order.astype(np.int64),
        DEBIAN_SPLIT,
        edges,
    )


def yeast_suite(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """Yeast genes and their functional classes: inputs (genes, 103)."""
    features, labels, tasks, order = read_arrays(
        folder / "yeast" / "yeast.npz", ("features", "labels", "tasks", "order")
    )
    names = tuple(tasks.astype(str).tolist())
    return TaskSuite("yeast", names, standardise(features / 1e6), labels, order.astype(np.int64))


def digit_images(folder: Path = SAMPLE_DATA) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scikit-learn's images of handwritten digits, (images, 8, 8) with whole numbers from 0 to `INK`; the digit of each
    image; the order that decides the splits."""
    from sklearn.datasets import load_digits

    (order,) = read_arrays(folder / "digits" / "digits.npz", ("order",))
    images, digit = map(np.asarray, load_digits(return_X_y=True))
    return images.astype(np.int64).reshape(-1, 8, 8), digit, order.astype(np.int64)


def digits_suite(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """One task per digit: inputs (images, 1, 8, 8) from 0 to 1."""
    images, digit, order = digit_images(folder)
    labels = (digit[:, None] == np.arange(10)).astype(np.int8)
    names = tuple(f"digit {number}" for number in range(10))
    inputs = (images[:, None] / INK).astype(np.float32)
    return TaskSuite("digits", names, inputs, labels, order, DIGITS_SPLIT)
