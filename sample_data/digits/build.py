"""Write `digits.npz`, the order of the images of scikit-learn's digits; the images ship with scikit-learn.

Usage, from the project's root: `python -m sample_data.digits.build`. It writes the same file every time.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).with_name("digits.npz")
SEED = 0


def main() -> None:
    n_images = len(load_digits(return_X_y=True)[1])
    order = np.random.default_rng(SEED).permutation(n_images).astype(np.uint16)
    np.savez_compressed(TARGET, order=order)
    print(f"{TARGET.name}: the order of {n_images:,} images, {TARGET.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
