"""Catalogue sets: what they hold, which labels are shown, and that a demo is whole or not there."""

import numpy as np
import pytest

from sslcore import catalogue
from sslcore.catalogue import CATALOGUE, available, create_demo, load, spread_labels
from sslcore.errors import ConfigError, SourceUnavailableError, StoreError, UnknownNameError
from sslcore.media import check_image
from sslcore.store import LabelState, projects


@pytest.mark.parametrize(
    ("name", "size", "classes"), [("digits", 1797, 10), ("bbc-news", 2225, 5), ("mnist-5k", 5000, 10)]
)
def test_sets_hold_what_they_say(name, size, classes):
    found = load(name)
    assert (len(found), len(found.classes)) == (size, classes)
    assert set(found.answer_N) == set(range(classes))
    assert len(set(found.answer_N[:50])) == classes  # mixed
    if found.modality == "text":
        assert all(len(text) > 100 for text in found.texts)
    else:
        assert found.image_NHW.dtype == np.uint8
        assert found.image_NHW.max() == 255
    assert len(load(name, items=100)) == 100


def test_labels_are_spread_and_the_rest_is_the_key(tmp_path):
    store = create_demo(tmp_path, "bbc-news", labelled=20, seed=1)
    task = store.tasks()[0]
    state = LabelState(store)[task.id]
    assert np.bincount(state.label_N[state.labelled_N]).tolist() == [4] * 5
    assert not state.audit_N.any()
    answers = store.answers(task.id)
    assert len(answers) == store.count() == 2225
    ids = store.item_ids()
    assert all(answers[ids[row]] == state.label_N[row] for row in np.flatnonzero(state.labelled_N))
    assert projects(tmp_path) == ["bbc-news"]
    other = create_demo(tmp_path, "bbc-news", labelled=20, seed=2, project="other")
    assert other.texts() == store.texts()
    assert (LabelState(other)[task.id].label_N != state.label_N).any()
    with pytest.raises(StoreError, match="already"):
        create_demo(tmp_path, "bbc-news")


def test_images_are_files_and_many_labels_make_an_audit_split(tmp_path):
    store = create_demo(tmp_path, "digits", labelled=200)
    state = LabelState(store)[1]
    assert np.bincount(state.label_N[state.audit_N]).tolist() == [4] * 10
    paths = store.media_paths()
    assert check_image(paths[0]).format == "PNG"
    assert len(paths) == 1797
    assert all(path.is_file() for path in paths)


def test_unequal_and_too_few_classes():
    answers = np.array([0] * 30 + [1] * 3)
    assert np.bincount(answers[spread_labels(answers, 20, np.random.default_rng(0))]).tolist() == [17, 3]
    assert len(spread_labels(np.arange(10), 3, np.random.default_rng(0))) == 3
    assert len(spread_labels(np.arange(4), 10, np.random.default_rng(0))) == 4
    assert spread_labels(answers, 0, np.random.default_rng(0)) == []


def test_what_is_not_here_says_so_and_names_what_is(tmp_path, monkeypatch):
    monkeypatch.setattr(catalogue, "_fashion_folder", lambda: None)
    monkeypatch.setenv("LABELLOOM_OFFLINE", "1")
    assert available()["fashion-mnist"] is False
    with pytest.raises(SourceUnavailableError, match="Usable here: bbc-news, digits, mnist-5k"):
        create_demo(tmp_path, "fashion-mnist")
    with pytest.raises(UnknownNameError, match="There are: bbc-news"):
        create_demo(tmp_path, "imagenet")
    with pytest.raises(ConfigError):
        create_demo(tmp_path, "digits", labelled=-1)
    assert projects(tmp_path) == []


def test_a_demo_that_fails_half_way_leaves_no_project(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(catalogue, "_content", fail)
    with pytest.raises(OSError, match="No space"):
        create_demo(tmp_path, "digits")
    assert projects(tmp_path) == []
    assert not list((tmp_path / ".new").iterdir())


@pytest.mark.skipif(not CATALOGUE["fashion-mnist"].found(), reason="the files are not on this machine")
def test_fashion_mnist_is_capped():
    found = load("fashion-mnist")
    assert found.image_NHW.shape == (10_000, 28, 28)
    assert np.bincount(found.answer_N).min() > 900
