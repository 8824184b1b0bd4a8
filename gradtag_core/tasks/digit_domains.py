"""Three questions about handwritten digits in five domains: tasks whose kinship is known by how they were made."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from gradtag_core.tasks.sample_files import DIGITS_SPLIT, INK, SAMPLE_DATA, digit_images
from gradtag_core.tasks.suite import UNLABELLED, TaskSuite

NOISE = 6  # a noised pixel changes by up to this much of its 16 steps
QUESTIONS: dict[str, frozenset[int]] = {
    "even": frozenset({0, 2, 4, 6, 8}),
    "at least five": frozenset({5, 6, 7, 8, 9}),
    "a closed loop": frozenset({0, 6, 8, 9}),
}


def rotated(images: np.ndarray) -> np.ndarray:
    """By a quarter turn."""
    return np.rot90(images, axes=(1, 2))


def inverted(images: np.ndarray) -> np.ndarray:
    return INK - images


def blurred(images: np.ndarray) -> np.ndarray:
    """Each pixel averaged with its neighbours, by 1-2-1 along both axes; white beyond the border."""
    for axis in (1, 2):
        wide = np.pad(images, [(1, 1) if axis == own else (0, 0) for own in range(3)])
        low, middle, high = (np.take(wide, np.arange(8) + start, axis) for start in range(3))
        images = (low + 2 * middle + high) / 4
    return images


def noised(images: np.ndarray, seed: int = 0) -> np.ndarray:
    """Whole numbers from -`NOISE` to `NOISE` added to each pixel, drawn from the raw output of a fixed generator."""
    drawn = np.random.PCG64(seed).random_raw(images.size).reshape(images.shape)
    return np.clip(images + (drawn % (2 * NOISE + 1)).astype(np.int64) - NOISE, 0, INK)


DOMAINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda images: images,
    "rotated": rotated,
    "inverted": inverted,
    "blurred": blurred,
    "noised": noised,
}


def question_of_task() -> np.ndarray:
    """The question (n,) of each task; tasks of one question share what decides their labels."""
    return np.tile(np.arange(len(QUESTIONS)), len(DOMAINS))


def domain_of_task() -> np.ndarray:
    """The domain (n,) of each task; tasks of one domain share their images."""
    return np.repeat(np.arange(len(DOMAINS)), len(QUESTIONS))


def digit_domains_suite(folder: Path = SAMPLE_DATA) -> TaskSuite:
    """A task per domain and question; an example is an image in a domain, labelled for the tasks of that domain alone.

    Inputs (domains * images, 1, 8, 8) from 0 to 1, domain after domain; all domains train on the same images.
    """
    images, digit, order = digit_images(folder)
    inputs = np.concatenate([change(images) for change in DOMAINS.values()])[:, None] / INK
    answers = np.stack([np.isin(digit, list(digits)) for digits in QUESTIONS.values()], axis=1)
    n_domains = len(DOMAINS)
    own = np.repeat(np.arange(n_domains), len(images))[:, None] == domain_of_task()
    labels = np.where(own, np.tile(answers, (n_domains, n_domains)), UNLABELLED).astype(np.int8)
    copies = (order[:, None] + np.arange(n_domains) * len(images)).ravel()
    names = tuple(f"{domain}: {question}" for domain in DOMAINS for question in QUESTIONS)
    return TaskSuite("digit-domains", names, inputs.astype(np.float32), labels, copies, DIGITS_SPLIT)
