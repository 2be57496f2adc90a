"""The instant loop as a teacher that listens to its student."""

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_blobs

from sslcore.errors import DataError
from sslcore.instant.loop import InstantLoop
from sslcore.instant.teacher import InstantTeacher, Lesson
from sslcore.instant.view import View


def some(key_N, per_class, seed=0):
    rng = np.random.default_rng(seed)
    label_N = np.full(len(key_N), -1)
    for label in range(int(key_N.max()) + 1):
        label_N[rng.choice(np.flatnonzero(key_N == label), per_class, replace=False)] = label
    return label_N


def test_labelled_items_are_taught_without_their_own_label():
    feature_ND, key_N = make_blobs(200, 5, centers=3, cluster_std=2.0, random_state=0)
    label_N = some(key_N, 4)
    wrong = int(np.flatnonzero(label_N == 0)[0])
    label_N[wrong] = (key_N[wrong] + 1) % 3  # somebody slipped
    view = View.of("toy", feature_ND)
    said_NC = InstantTeacher([view], {"side": Lesson("single", 3, label_N)})()["side"]
    result = InstantLoop([view], classes=3, seed=0).fit(label_N)
    labelled_N = label_N >= 0
    assert np.allclose(said_NC[~labelled_N], result.proba_NC[~labelled_N], atol=1e-3)
    assert np.allclose(said_NC[labelled_N], result.out_of_fold_proba_LC, atol=1e-3)
    assert said_NC[wrong].argmax() == key_N[wrong] != label_N[wrong]


def test_a_student_that_sees_more_makes_a_better_teacher():
    image_ND, key_N = load_digits(return_X_y=True)
    blind_ND = image_ND[:, ::5]  # every fifth pixel
    label_N = some(key_N, 4)
    teacher = InstantTeacher([View.of("few pixels", blind_ND)], {"digit": Lesson("single", 10, label_N)})

    def right(said):
        return (said["digit"].argmax(1) == key_N)[label_N < 0].mean()

    assert right(teacher()) + 0.05 < right(teacher(image_ND))


def test_a_student_of_noise_is_hardly_heard():
    feature_ND, key_N = make_blobs(400, 6, centers=4, cluster_std=2.0, random_state=0)
    label_N = some(key_N, 4)
    noise_ND = np.random.default_rng(0).normal(size=(400, 6))
    teacher = InstantTeacher([View.of("good", feature_ND)], {"side": Lesson("single", 4, label_N)})
    alone, misled = (
        (said["side"].argmax(1) == key_N)[label_N < 0].mean() for said in (teacher(), teacher(noise_ND))
    )
    assert misled > alone - 0.03


def test_features_of_other_items_are_refused():
    teacher = InstantTeacher(
        [View.of("toy", np.eye(6))], {"x": Lesson("single", 2, np.array([0, 1] + 4 * [-1]))}
    )
    with pytest.raises(DataError, match="5 rows of features; the task has 6 items"):
        teacher(np.eye(5))
