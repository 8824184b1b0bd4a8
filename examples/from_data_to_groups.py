"""From a table to groups of tasks, cell by cell: editors that know `# %%` run this file like a notebook."""

# %% A table: one row per gene, columns of measurements, and a 0/1 column for each of 14 functions
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from gradtag_core import load_suite, make_config, run, tabular_suite
from gradtag_core.figures.heatmap import affinity_heatmap

folder = Path(tempfile.mkdtemp(prefix="gradtag-"))
yeast = load_suite("yeast")
names = [f"measurement {number}" for number in range(yeast.inputs.shape[1])]
measurements = pd.DataFrame(yeast.inputs, columns=names)
functions = pd.DataFrame(yeast.labels, columns=list(yeast.task_names))
measurements.join(functions).to_csv(folder / "genes.csv", index=False)

# %% The tasks: each label column is one
suite = tabular_suite(folder / "genes.csv", labels=yeast.task_names, name="genes")
print(f"{suite.n_tasks} tasks over {suite.n_examples} examples")

# %% The run: an estimate for random subsets of tasks, and real training of 60 of them to judge it by
record = run(make_config("quick", n_groups=4, truth=60), suite=suite)
affinity = record.affinity()  # values[i, j]: what co-task j does for task i; higher is better
assert affinity is not None
helper = np.where(np.eye(suite.n_tasks, dtype=bool), -np.inf, affinity.values).argmax(1)
print(f"{suite.task_names[0]} gains most from {suite.task_names[helper[0]]}")

# %% How far to trust it: do estimate and truth rank the co-tasks of a task alike?
comparison = record.comparison()
assert comparison is not None
print(f"Row Spearman against the truth: {comparison.estimate.agreement.row_spearman:.2f}")
print(
    f"Row Spearman of a predictor that knows nothing: {comparison.lines['random'].agreement.row_spearman:.2f}"
)
print(f"FLOPs, of training every subset: {comparison.estimate.flops_ratio:.1%}")

# %% The groups, and how far they may be from the best ones
grouping = record.grouping
assert grouping is not None
for number, group in enumerate(grouping.groups, start=1):
    print(f"Group {number}: {', '.join(group)}")
print(f"Average density {grouping.density:.3f}, at most {grouping.upper_bound:.3f}")

# %% The map, group by group
figure = affinity_heatmap(
    affinity.values, affinity.task_names, title="What co-tasks do for a task",
    order=np.argsort(grouping.labels, kind="stable"), group_labels=grouping.labels,
)  # fmt: skip
figure.write_html(folder / "affinity.html")
print(f"Figure: {folder / 'affinity.html'}")
