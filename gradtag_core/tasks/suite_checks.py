"""What the arrays of a task suite must be like."""

from collections.abc import Iterator, Sequence

import numpy as np

from gradtag_core.errors import InvalidInput, quoted

KINDS = ("binary", "multiclass", "regression")
MOST_CLASSES = 1000
CHECKED_AT_ONCE = 2**22  # numbers


def require_usable_inputs(inputs: np.ndarray, n_examples: int) -> None:
    """Raise `InvalidInput` unless there is one text, or one array of finite numbers, per example."""
    if len(inputs) != n_examples:
        raise InvalidInput(
            f"`inputs` must have one row for each of the {n_examples} rows of `labels`; found shape {inputs.shape}."
        )
    if inputs.dtype.kind == "T":
        _require_texts(inputs)
        return
    if inputs.dtype != np.float32 or inputs.ndim not in (2, 3, 4):
        raise InvalidInput(
            "`inputs` must be texts (one axis, dtype StringDType) or float32 with two, three or four axes; found "
            f"{inputs.dtype} of shape {inputs.shape}."
        )
    for first, part in _parts(inputs):
        finite = np.isfinite(part)
        if not finite.all():
            row = first + int(np.argwhere(~finite)[0][0])
            raise InvalidInput(f"`inputs` must be finite numbers; example {row} holds one that is not.")


def _parts(array: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some rows at a time, after the number of the first: what a check makes of all would be as large as the array."""
    step = max(1, CHECKED_AT_ONCE // max(1, array[:1].size))
    return ((first, array[first : first + step]) for first in range(0, len(array), step))


def _require_texts(inputs: np.ndarray) -> None:
    if inputs.ndim != 1:
        raise InvalidInput(f"`inputs` must be one text per example; found shape {inputs.shape}.")
    empty = np.flatnonzero(np.strings.str_len(np.strings.strip(inputs)) == 0)
    if len(empty):
        raise InvalidInput(f"`inputs` must not hold empty texts; that of example {empty[0]} is empty.")


def require_usable_labels(labels: np.ndarray, kinds: Sequence[str], task_names: Sequence[str]) -> None:
    """Raise `InvalidInput` unless each column of labels is what the kind of its task says."""
    if len(kinds) != labels.shape[1] or not set(kinds) <= set(KINDS):
        raise InvalidInput(
            f"`kinds` must name one of {quoted(KINDS)} for each of the {labels.shape[1]} tasks; found "
            f"{quoted(tuple(kinds))}."
        )
    if set(kinds) == {"binary"}:
        if not all(np.isin(part, (-1, 0, 1)).all() for _, part in _parts(labels)):
            raise InvalidInput("`labels` must be 1, 0 or -1 (not labelled).")
        return
    if labels.dtype != np.float32:
        raise InvalidInput(
            f"`labels` must be float32 where a task is not binary, NaN where not labelled; found {labels.dtype}."
        )
    for column, kind, name in zip(labels.T, kinds, task_names, strict=True):
        known = column[~np.isnan(column)]
        rule = _broken_rule(known, kind)
        if rule:
            raise InvalidInput(f"The labels of the {kind} task `{name}` must be {rule}.")


def _broken_rule(known: np.ndarray, kind: str) -> str | None:
    if not len(known):
        return "known for some examples; all are NaN"
    if not np.isfinite(known).all():
        return "finite; found an infinite one"
    if kind == "regression":
        return None if np.ptp(known) > 0 else f"different numbers; all are {known[0]:g}"
    if kind == "binary":
        return (
            None if np.isin(known, (0, 1)).all() else f"0 or 1; found {known[~np.isin(known, (0, 1))][0]:g}"
        )
    highest = known.max()
    if (known < 0).any() or (known != np.floor(known)).any() or not 2 <= highest + 1 <= MOST_CLASSES:
        return f"the numbers of 2 to {MOST_CLASSES} classes, from 0; found {known.min():g} to {highest:g}"
    return None


def require_simple_graph(edges: np.ndarray, n_nodes: int) -> None:
    """Raise `InvalidInput` unless `edges` join different examples, each pair once."""
    if edges.ndim != 2 or edges.shape[1] != 2 or edges.dtype != np.int64:
        raise InvalidInput(
            f"`edges` must be int64 pairs of examples, shape (edges, 2); found {edges.dtype} of shape {edges.shape}."
        )
    if not len(edges):
        return
    if edges.min() < 0 or edges.max() >= n_nodes:
        raise InvalidInput(
            f"`edges` must name examples from 0 to {n_nodes - 1}; found {edges.min()} to {edges.max()}."
        )
    low, high = edges.min(axis=1), edges.max(axis=1)
    if (low == high).any():
        raise InvalidInput(
            f"`edges` must join different examples; found a self loop at {low[low == high][0]}."
        )
    pairs, counts = np.unique(low * n_nodes + high, return_counts=True)
    if (counts > 1).any():
        first, second = divmod(int(pairs[counts.argmax()]), n_nodes)
        raise InvalidInput(
            f"`edges` must hold each pair of examples once, in one direction; found {first} and {second} "
            f"{counts.max()} times."
        )
