"""The Amazon column of the paper's table 3 (arXiv 2409.06091, appendix C.3): macro-F1 over three seeds and cost."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """`f1` and its standard deviation in %; cost where the table gives it."""

    f1: float
    deviation: float
    gigaflops: float | None = None
    gpu_hours: float | None = None


PUBLISHED: dict[str, Published] = {
    "bigclam": Published(27.30, 0.26),
    "louvain": Published(60.95, 0.19),
    "node2vec": Published(39.05, 0.10),
    "verse": Published(61.00, 0.32),
    "mincut": Published(84.24, 0.19),
    "dmon": Published(83.30, 1.07),
    "single_task": Published(92.26, 4.62, 6.43e4, 3.08),
    "mmoe": Published(88.92, 6.65, 1.34e4, 7.01),
    "auto_lambda": Published(88.08, 4.04, 2.40e4, 8.00),
    "forward_selection": Published(90.45, 3.63, 1.25e6, 26.91),
    "backward_selection": Published(90.41, 5.98, 1.35e6, 37.90),
    "tag": Published(90.99, 4.06, 2.22e6, 92.68),
    "hoa": Published(91.61, 3.86, 3.32e6, 87.35),
    "boostmtl": Published(92.66, 4.85, 1.35e6, 24.46),
    "grad_tag": Published(92.37, 3.26, 1.89e4, 1.05),
    "grad_tag_m5": Published(92.87, 3.80, 4.11e4, 5.24),
}
