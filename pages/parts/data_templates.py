"""Small valid files to start from: each is accepted by the page that offers it."""

import io
from functools import cache

import numpy as np
import pandas as pd
import streamlit as st

from gradtag_core.csv_text import csv_text

ROWS = 48
NODES = 40
PROMPTS = """\
# Each template is a task. {{text1}} and {{text2}} stand for the two texts of a pair, and choices are the answers,
# first the one where the label is 0.
- name: does it follow
  prompt: "{{text1}} Does it follow that {{text2}}"
  choices: ["no", "yes"]
- name: true or false
  prompt: "Suppose that {{text1}} True or false: {{text2}}"
  choices: ["false", "true"]
- name: must it be
  prompt: "Given that {{text1}} must it be that {{text2}}"
  choices: ["not so", "surely"]
"""


@cache
def table_template() -> pd.DataFrame:
    """Fruits by their measures; three labels, one with empty cells."""
    generator = np.random.default_rng(0)
    weight, sugar = generator.normal(150, 40, ROWS).round(1), generator.normal(11, 3, ROWS).round(1)
    ripe = (sugar + generator.normal(0, 1, ROWS) > 11).astype(int)
    keeps = np.where(generator.random(ROWS) < 0.15, "", (weight > 150).astype(int).astype(str))
    return pd.DataFrame(
        {
            "id": [f"fruit-{row + 1}" for row in range(ROWS)],
            "weight": weight,
            "sugar": sugar,
            "colour": generator.choice(["green", "red", "yellow"], ROWS),
            "is_ripe": ripe,
            "is_sweet": (sugar > 10).astype(int),
            "keeps_well": keeps,
        }
    )


def table_csv() -> str:
    return csv_text(table_template(), index=False)


def table_parquet() -> bytes:
    buffer = io.BytesIO()
    table_template().to_parquet(buffer, index=False)
    return buffer.getvalue()


def text_csv() -> str:
    """Short reviews; each label is a task."""
    foods, tastes = (
        ("soup", "bread", "fish", "cake"),
        ("was cold", "was lovely", "tasted fresh", "tasted old"),
    )
    rows = []
    for number in range(ROWS):
        food, taste = foods[number % 4], tastes[number // 4 % 4]
        place, service = ("waiter", "kitchen", "bar")[number // 16], ("slow", "a pleasure")[number % 3 % 2]
        rows.append(
            {
                "text": f"The {food} {taste}, and the {place} was {service}.",
                "good_food": int(taste in ("was lovely", "tasted fresh")),
                "good_service": int(service == "a pleasure"),
                "about_fish": int(food == "fish"),
            }
        )
    return csv_text(pd.DataFrame(rows), index=False)


def edges_txt() -> str:
    """A ring with chords, each edge once."""
    lines = [f"{node}\t{(node + step) % NODES}" for node in range(NODES) for step in (1, 3)]
    return "\n".join(["# Node ids, whole numbers from 0; each edge once.", *lines, ""])


def communities_txt() -> str:
    lines = ["\t".join(str(node) for node in range(start, start + 15)) for start in (0, 10, 20)]
    return "\n".join(["# One community a line: the ids of its members.", *lines, ""])


def features_csv() -> str:
    generator = np.random.default_rng(0)
    age, score = generator.integers(1, 90, NODES), generator.normal(size=NODES).round(3)
    return csv_text(pd.DataFrame({"node": range(NODES), "age": age, "score": score}), index=False)


def pairs_csv() -> str:
    """Pairs of sentences, of which the first says the second or its contrary."""
    rows = [
        {
            "premise": f"{who} {did} in the {place}.",
            "hypothesis": f"{who} {was} in the {place}.",
            "label": label,
        }
        for who in ("Ada", "Ben", "Cleo", "Dan")
        for did in ("slept", "sang", "read")
        for place in ("kitchen", "garden")
        for was, label in (("was", "entailment"), ("was never", "not_entailment"))
    ]
    return csv_text(pd.DataFrame(rows), index=False)


def template_button(label: str, data: str | bytes, name: str) -> None:
    """A download that leaves the form as it is."""
    kinds = {"csv": "text/csv", "txt": "text/plain", "yaml": "application/yaml"}
    st.download_button(
        label, data, name, kinds.get(name.rpartition(".")[2], "application/octet-stream"),
        icon=":material/download:", on_click="ignore", key=f"template_{name}",
    )  # fmt: skip
