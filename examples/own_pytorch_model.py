"""A PyTorch model of your own on arrays of your own: which digits should one network learn together?"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from gradtag_core import make_config, own_model, run, suite_of

# Data: one row per image, one column of labels per task (1, 0, or -1 where a label is not known).
pixels, digits = map(np.asarray, load_digits(return_X_y=True))
images = pixels.reshape(-1, 1, 8, 8) / 16
labels = digits[:, None] == np.arange(10)


# --- what you write: 16 lines ---
class ResidualNetwork(nn.Module):
    def __init__(self, n_outputs: int, channels: int = 8):
        super().__init__()
        self.first = nn.Conv2d(1, channels, 3, padding=1)
        self.inner = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1), nn.Dropout(0.1)
        )
        self.pool = nn.AdaptiveMaxPool2d(2)
        self.head = nn.Linear(4 * channels, n_outputs)  # one output per binary task

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        hidden = self.first(images)
        hidden = torch.relu(hidden + self.inner(hidden))
        return self.head(self.pool(hidden).flatten(1))


suite = suite_of(images, labels, [f"digit {number}" for number in range(10)], name="my-digits")
model = own_model(ResidualNetwork, "residual-1", suite)  # change the name with the code
config = make_config("quick", base_epochs=3, epochs=3, n_groups=3, n_subsets=60)
# --- end ---

record = run(config, suite=suite, model=model)
assert record.grouping is not None
for number, group in enumerate(record.grouping.groups, start=1):
    print(f"Group {number}: {', '.join(group)}")
estimate = sum(record.summary.costs[stage].flops for stage in ("train", "featurize", "regress", "proxies"))
print(f"FLOPs of the estimate, of training every subset: {estimate / record.summary.full_training_flops:.1%}")
