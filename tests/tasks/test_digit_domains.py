import hashlib

import numpy as np
import pytest

from gradtag_core.tasks.digit_domains import (
    DOMAINS,
    INK,
    NOISE,
    QUESTIONS,
    blurred,
    domain_of_task,
    noised,
    question_of_task,
)
from gradtag_core.tasks.registry import load_suite
from gradtag_core.tasks.sample_files import digit_images
from gradtag_core.tasks.suite import UNLABELLED

N_IMAGES = 1797


@pytest.fixture(scope="module")
def suite():
    return load_suite("digit-domains")


def test_the_pixels_are_the_same_on_every_machine(suite):
    # Steps of 1/256 are exact in float32, so no sum depends on its order.
    assert (suite.inputs * 256 == np.round(suite.inputs * 256)).all()
    assert suite.inputs.min() == 0 and suite.inputs.max() == 1
    content = hashlib.sha256()
    for array in (suite.inputs, suite.labels, suite.order):
        content.update(np.ascontiguousarray(array).data)
    assert content.hexdigest()[:16] == "3cc60686828177f5"


def test_each_domain_does_to_the_images_what_its_name_says(suite):
    plain, turned, inverted, blurry, noisy = suite.inputs[:, 0].astype(np.float64).reshape(5, N_IMAGES, 8, 8)
    np.testing.assert_array_equal(plain, load_suite("digits").inputs[:, 0])
    np.testing.assert_array_equal(turned[7], np.rot90(plain[7]))
    np.testing.assert_array_equal(inverted, 1 - plain)
    row, column = 3, 0
    around = np.pad(plain, ((0, 0), (1, 1), (1, 1)))[:, row : row + 3, column : column + 3]
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    np.testing.assert_array_equal(blurry[:, row, column], (around * kernel).sum((1, 2)))
    change = (noisy - plain) * INK
    inside = (plain * INK > NOISE) & (plain * INK < INK - NOISE)
    assert np.abs(change).max() == NOISE and abs(change[inside].mean()) < 0.1
    assert np.bincount((change[inside] + NOISE).astype(int)).min() > inside.sum() / 13 * 0.8


def test_noise_differs_by_seed_and_blur_keeps_a_flat_picture_within_its_border():
    images, _, _ = digit_images()
    assert (noised(images) == noised(images)).all() and (noised(images) != noised(images, 1)).any()
    assert (blurred(np.full((1, 8, 8), 4))[:, 1:-1, 1:-1] == 4).all()


def test_an_example_is_labelled_for_the_tasks_of_its_domain_alone(suite):
    domain_of_example = np.repeat(np.arange(5), N_IMAGES)
    labelled = suite.labels != UNLABELLED
    np.testing.assert_array_equal(labelled, domain_of_example[:, None] == domain_of_task())
    _, digit, _ = digit_images()
    for task, name in enumerate(suite.task_names):
        domain, question = name.split(": ")
        assert list(DOMAINS)[domain_of_task()[task]] == domain
        assert list(QUESTIONS)[question_of_task()[task]] == question
        own = suite.labels[domain_of_example == domain_of_task()[task], task]
        np.testing.assert_array_equal(own, [number in QUESTIONS[question] for number in digit])


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_all_domains_split_the_same_images_in_the_same_way(suite, split):
    for question in range(len(QUESTIONS)):
        tasks = np.flatnonzero(question_of_task() == question)
        images = [suite.indices(split, task) % N_IMAGES for task in tasks]
        assert all(np.array_equal(images[0], other) for other in images)
