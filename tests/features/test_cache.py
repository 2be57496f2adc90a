import errno
import os

import numpy as np
import pytest

from sslcore.errors import DataError, StoreError
from sslcore.features import Items
from sslcore.features import cache as module
from sslcore.features.cache import FeatureCache, folder_name
from sslcore.features.compute import compute_features, compute_map


class Counting:
    """A network encoder of the test: row i becomes (factor·i, i mod 7), five rows a block."""

    modality, weights_free = "text", False

    def __init__(self, *, die_at=None, factor=2.0, fitted=False):
        self.die_at, self.factor, self.computed = die_at, factor, []
        if fitted:
            self.weights_free = True

    def plan(self, items):
        return {"factor": self.factor}

    def blocks(self, items, *, plan, start, tick):
        for first in range(start, len(items), 5):
            if self.die_at is not None and first >= self.die_at:
                raise KeyboardInterrupt
            row_B = np.arange(first, min(first + 5, len(items)), dtype=np.float32)
            self.computed += row_B.astype(int).tolist()
            yield np.stack([row_B * plan["factor"], row_B % 7], axis=1)


def items(n):
    return Items.of_texts([f"text {i}" for i in range(n)])


def test_goes_on_after_a_stop_under_the_same_plan(tmp_path):
    cache = FeatureCache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        compute_features(tmp_path, "toy", items(23), encoder=Counting(die_at=10))
    assert cache.next_row("toy") == 10
    assert cache.available() == []
    assert not cache.is_complete("toy", 23)
    with pytest.raises(StoreError, match="not complete"):
        cache.load("toy")
    second = Counting(factor=99.0)
    features = compute_features(tmp_path, "toy", items(23), encoder=second)
    assert second.computed == list(range(10, 23))
    assert np.array_equal(features.feature_ND[:, 0], 2 * np.arange(23))
    assert (features.feature_ND.dtype, features.neighbour_NK.dtype) == (np.float16, np.int32)
    assert cache.available() == ["toy"]
    assert cache.is_complete("toy", 23)
    assert not (cache.folder("toy") / "partial.npy").exists()


def test_a_complete_set_is_not_computed_again(tmp_path):
    compute_features(tmp_path, "toy", items(8), encoder=Counting())
    again = Counting()
    compute_features(tmp_path, "toy", items(8), encoder=again)
    assert again.computed == []


def test_new_items_alone_are_computed_by_a_network_all_by_a_fitted_encoder(tmp_path):
    for name, fitted, wanted in (("net", False, list(range(12, 20))), ("fit", True, list(range(20)))):
        compute_features(tmp_path, name, items(12), encoder=Counting(fitted=fitted))
        compute_map(tmp_path, name)
        assert FeatureCache(tmp_path).has_map(name, 12)
        more = Counting(fitted=fitted)
        features = compute_features(tmp_path, name, items(20), encoder=more)
        assert more.computed == wanted
        assert len(features.feature_ND) == len(features.neighbour_NK) == len(features.map_N2) == 20
        assert not FeatureCache(tmp_path).has_map(name, 20)  # a first picture, the map is to be drawn anew


def test_extending_can_be_stopped_too(tmp_path):
    compute_features(tmp_path, "toy", items(10), encoder=Counting())
    held = FeatureCache(tmp_path).load("toy")
    with pytest.raises(KeyboardInterrupt):
        compute_features(tmp_path, "toy", items(30), encoder=Counting(die_at=20))
    assert FeatureCache(tmp_path).is_complete("toy", 10)  # the old ones serve meanwhile
    last = Counting()
    features = compute_features(tmp_path, "toy", items(35), encoder=last)  # and more arrived
    assert last.computed == list(range(20, 35))
    assert np.array_equal(features.feature_ND[:, 0], 2 * np.arange(35))
    assert np.array_equal(held.feature_ND[:, 0], 2 * np.arange(10))  # who reads the old file keeps it


@pytest.mark.parametrize("step", range(6))
def test_a_kill_at_any_moment_of_finishing_loses_nothing(tmp_path, monkeypatch, step):
    calls = iter(range(100))

    def dying(function):
        def call(*args, **kwargs):
            if next(calls) == step:
                raise KeyboardInterrupt
            return function(*args, **kwargs)

        return call

    for name in ("write_array", "write_json", "sync_folder"):
        monkeypatch.setattr(module, name, dying(getattr(module, name)))
    with pytest.raises(KeyboardInterrupt):
        compute_features(tmp_path, "toy", items(5), encoder=Counting())
    monkeypatch.undo()
    again = Counting()
    features = compute_features(tmp_path, "toy", items(5), encoder=again)
    assert len(again.computed) <= 5
    assert np.array_equal(features.feature_ND[:, 0], 2 * np.arange(5))


def test_names_cannot_leave_the_folder(tmp_path):
    names = ["../../etc", "a/b", "a:b", "a b", ".hidden", "x" * 300, "минил", "minilm", ""]
    folders = [folder_name(name) for name in names]
    assert len(set(folders)) == len(names)
    for name in names:
        folder = FeatureCache(tmp_path).folder(name)
        assert folder.parent == tmp_path / "features"
        assert not folder.name.startswith(".")


def test_numbers_too_large_for_float16_are_held_at_its_end(tmp_path):
    features = compute_features(tmp_path, "toy", items(6), encoder=Counting(factor=1e6))
    assert np.isfinite(features.feature_ND).all()


def test_wrong_sets_are_refused(tmp_path):
    with pytest.raises(DataError, match="reads texts, and these items are images"):
        compute_features(tmp_path, "toy", Items.of_images([tmp_path / "a.png"]), encoder=Counting())
    with pytest.raises(DataError, match="no items"):
        compute_features(tmp_path, "toy", items(0), encoder=Counting())
    assert len(compute_features(tmp_path, "toy", items(1), encoder=Counting()).feature_ND) == 1


def test_a_full_disk_is_an_error_not_a_crash(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(StoreError, match="The disk is full"):
        compute_features(tmp_path, "toy", items(5), encoder=Counting())
    monkeypatch.undo()
    assert len(compute_features(tmp_path, "toy", items(5), encoder=Counting()).feature_ND) == 5
