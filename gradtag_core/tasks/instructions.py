"""Instruction tasks: pairs of texts with a label, times prompt templates; each template is a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gradtag_core.errors import InvalidInput, quoted
from gradtag_core.tasks.label_columns import LEAST_OF_A_CLASS
from gradtag_core.tasks.prompt_templates import PromptTemplate, read_templates
from gradtag_core.tasks.sample_files import SAMPLE_DATA
from gradtag_core.tasks.suite import UNLABELLED, SplitRule, TaskSuite
from gradtag_core.tasks.table_columns import LABELS
from gradtag_core.tasks.table_file import Table, read_table, shown

MAX_CHARACTERS = 200_000_000  # of all prompts
MAX_LABELS = 100_000_000  # examples × tasks
ID_NAMES = ("index", "idx", "id")
FIRST_NAMES = ("text1", "sentence1", "premise")
SECOND_NAMES = ("text2", "sentence2", "hypothesis")
ENTAILMENT = {"entailment": 1, "not_entailment": 0, "not entailment": 0}
MEANINGS = "`entailment` or `not_entailment`, 1 or 0, true or false, yes or no"
INSTRUCTIONS_SPLIT = SplitRule(train=0.5)  # of 400 pairs; at 10 %, each family would train on four


@dataclass(frozen=True)
class Pairs:
    """A file in the form of RTE: `labels` (pairs,) of 0 and 1, and the columns that prompts may hold.

    `texts` are the two columns; `columns` are all that hold text, by their own names, and the two also by all names of
    `FIRST_NAMES` and `SECOND_NAMES` that no column has. `is_numbered`: labels are numbers, whose meaning the
    file does not tell.
    """

    table: Table
    texts: tuple[str, str]
    columns: dict[str, str]
    labels: np.ndarray
    is_numbered: bool

    @property
    def names_of_texts(self) -> list[tuple[str, ...]]:
        """What either text may be called."""
        return [tuple(name for name, column in self.columns.items() if column == text) for text in self.texts]

    def fields(self, pair: int, names: Sequence[str]) -> dict[str, str]:
        """What the named placeholders stand for; none may be empty."""
        found: dict[str, str] = {}
        for name in names:
            column = self.columns[name]
            found[name] = str(self.table.columns[column][pair])
            if not found[name]:
                raise InvalidInput(f"{self.table.place(pair, column)}: a text must not be empty. Fill it in.")
        return found


def instruction_suite(
    data: Path | str,
    templates: Path | str | Sequence[Path | str],
    *,
    name: str = "instructions",
    labels: Sequence[str] | None = None,
    split_rule: SplitRule | None = None,
    seed: int | None = 0,
    n_pairs: int | None = None,
) -> TaskSuite:
    """A suite of one task per template over the prompts of all pairs, as the paper makes tasks from RTE.

    `data` and `labels`: see `read_pairs`; `templates`: see `read_templates`. An example is one pair in one template,
    pair by pair, and its label is known to the template's own task alone. `seed` draws the order of the pairs, which
    decides the splits (None: that of the file); all tasks train on the same pairs. `n_pairs`: use the first ones of
    that order alone. `choices` of the suite are the answers by label.
    """
    pairs, prompts = read_pairs(data, labels), read_templates(templates)
    _require_one_meaning(pairs, prompts, labels)
    for template in prompts:
        template.require_fields(tuple(pairs.columns), pairs.names_of_texts)
    n_read, n_tasks = len(pairs.labels), len(prompts)
    if n_pairs is not None and not 1 <= n_pairs <= n_read:
        raise InvalidInput(
            f"`n_pairs` must be between 1 and the {n_read:,} of `{pairs.table.title}`; found {n_pairs:,}."
        )
    drawn = np.arange(n_read) if seed is None else np.random.default_rng(seed).permutation(n_read)
    chosen = drawn[:n_pairs]
    kept = np.sort(chosen)
    if len(kept) * n_tasks**2 > MAX_LABELS:
        raise InvalidInput(
            f"`{pairs.table.title}` must have at most {MAX_LABELS // n_tasks**2:,} pairs for {n_tasks} templates; "
            f"found {len(kept):,}. Set `n_pairs`, or give fewer templates."
        )
    _require_both_labels(pairs, kept)
    known = np.full((len(kept), n_tasks, n_tasks), UNLABELLED, np.int8)
    known[:, range(n_tasks), range(n_tasks)] = pairs.labels[kept, None]
    return TaskSuite(
        name,
        tuple(template.name for template in prompts),
        np.array(_rendered(pairs, prompts, kept), dtype=np.dtypes.StringDType()),
        known.reshape(-1, n_tasks),
        (np.searchsorted(kept, chosen)[:, None] * n_tasks + np.arange(n_tasks)).ravel(),
        split_rule or SplitRule(),
        choices=tuple(template.choices for template in prompts),
    )


def read_pairs(path: Path | str, labels: Sequence[str] | None = None) -> Pairs:
    """Two texts and a label a row, with a header: CSV, parquet, or (`.tsv`) cells between tabs without quotes.

    The label is in the column `label`, else in the last; the texts are in the columns that have the names of
    `FIRST_NAMES` and `SECOND_NAMES`, else in the first two others. A column `index`, `idx` or `id` names the rows,
    each once. `labels`: the two values of the label, first the one of 0 (None: entailment, true, yes or 1 is 1).
    """
    path = Path(path)
    table = read_table(path, quotes=path.suffix.lower() != ".tsv")
    label = "label" if "label" in table.columns else list(table.columns)[-1]
    ids = [name for name in table.columns if name.lower() in ID_NAMES and name != label]
    for column in ids:
        table.require_different(column)
    texts = [
        name for name, column in table.columns.items()
        if name not in (label, *ids) and not isinstance(column, np.ndarray)
    ]  # fmt: skip
    first = next((name for name in FIRST_NAMES if name in texts), None)
    second = next((name for name in SECOND_NAMES if name in texts), None)
    if first is None or second is None:
        if len(texts) < 2:
            raise InvalidInput(
                f"`{table.title}` must have two columns of text beside `{label}`; found {quoted(texts) or 'none'}."
            )
        first, second = texts[:2]
    columns = dict.fromkeys(FIRST_NAMES, first) | dict.fromkeys(SECOND_NAMES, second)
    columns |= {name: name for name in texts}
    return Pairs(table, (first, second), columns, *_labels(table, label, labels))


def _labels(table: Table, name: str, values: Sequence[str] | None) -> tuple[np.ndarray, bool]:
    """The column of labels as 0 and 1, and whether it holds numbers."""
    if values is not None and (isinstance(values, str) or len(values) != 2 or len({*values, ""}) < 3):
        raise InvalidInput(f"`labels` must be two different values, first that of 0; found {values!r}.")
    meaning = LABELS | ENTAILMENT if values is None else {values[0]: 0, values[1]: 1}
    spellings: list[str] = []
    numbers = np.empty(table.n_rows, np.int8)
    for row, found in enumerate(map(_plain, table.columns[name])):
        cell = found if values else found.lower()
        numbers[row] = meaning.get(cell, UNLABELLED)
        if cell not in spellings:
            spellings.append(cell)
        if numbers[row] == UNLABELLED or len(spellings) > 2:
            rule = quoted(tuple(values or spellings[:2])) if values or len(spellings) > 2 else MEANINGS
            raise InvalidInput(
                f"{table.place(row, name)}: a label must be one of two values, {rule}; found `{shown(found)}`. Correct "
                "it, or name the two values with `labels`."
            )
    return numbers, all(cell[:1].isdigit() for cell in spellings)


def _plain(cell: str | float) -> str:
    """A cell as CSV holds it; in parquet, labels may be numbers."""
    return cell if isinstance(cell, str) else "" if np.isnan(cell) else f"{cell:g}"


def _require_one_meaning(
    pairs: Pairs, templates: Sequence[PromptTemplate], labels: Sequence[str] | None
) -> None:
    """Numbers for labels mean the opposite in data sets that call entailment 0, and nobody would notice."""
    odd = [template for template in templates if template.reversed_labels]
    if odd and pairs.is_numbered and labels is None:
        raise InvalidInput(
            f"`{pairs.table.title}` must say what its labels 0 and 1 mean, since the data set of {odd[0].place}, calls "
            "entailment 0. Give `labels`: first the value where the answer is no, then the one where it is yes."
        )


def _require_both_labels(pairs: Pairs, kept: np.ndarray) -> None:
    ones = int(pairs.labels[kept].sum())
    zeros = len(kept) - ones
    if min(ones, zeros) < LEAST_OF_A_CLASS:
        raise InvalidInput(
            f"`{pairs.table.title}` must have at least {LEAST_OF_A_CLASS} pairs of each label, one for each split; "
            f"found {ones:,} of 1 and {zeros:,} of 0."
        )


def _rendered(pairs: Pairs, templates: Sequence[PromptTemplate], kept: np.ndarray) -> list[str]:
    used = sorted(frozenset().union(*(template.fields for template in templates)))
    prompts: list[str] = []
    n_characters = 0
    for pair in kept.tolist():
        fields = pairs.fields(pair, used)
        own = [template.render(fields) for template in templates]
        empty = next((template for template, prompt in zip(templates, own, strict=True) if not prompt), None)
        if empty:
            raise InvalidInput(
                f"{empty.place}: a prompt must not be empty; it is for {pairs.table.row_name(pair)} of "
                f"`{pairs.table.title}`."
            )
        prompts += own
        n_characters += sum(map(len, own))
        if n_characters > MAX_CHARACTERS:
            raise InvalidInput(
                f"`{pairs.table.title}` must come to at most {MAX_CHARACTERS:,} characters of prompts; found more. "
                "Set `n_pairs`, or give fewer templates."
            )
    return prompts


def instructions_sample(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """Our own pairs and templates; the order of the pairs is that of the file."""
    own = folder / "instructions"
    return instruction_suite(
        own / "pairs.tsv", own / "templates.yaml", split_rule=INSTRUCTIONS_SPLIT, seed=None
    )
