import numpy as np
from sklearn.decomposition import PCA
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from sslcore.features import Items
from sslcore.features.pixels import Pixels, principal_axes
from tests.features.sets import colour_files, digit_files, encode


def test_axes_are_those_of_pca():
    sample_ND = np.random.default_rng(0).normal(size=(50, 6)).astype(np.float32) * np.arange(1, 7)
    mean_D, axes_KD = principal_axes(sample_ND, 3)
    peer = PCA(3).fit(sample_ND)
    assert np.allclose(mean_D, peer.mean_, atol=1e-5)
    assert np.allclose(np.abs((axes_KD * peer.components_).sum(axis=1)), 1.0, atol=1e-4)


def test_wide_sets_take_the_randomised_way_to_the_same_plane():
    rng = np.random.default_rng(0)
    sample_ND = (rng.normal(size=(80, 3)) * [30, 20, 10]) @ rng.normal(size=(3, 2000))
    _, axes_KD = principal_axes(sample_ND.astype(np.float32), 3)
    peer = PCA(3).fit(sample_ND).components_
    assert np.allclose(np.abs((axes_KD * peer).sum(axis=1)), 1.0, atol=1e-3)


def test_digits_are_told_apart(tmp_path):
    paths, target = digit_files(tmp_path, 300)
    items = Items.of_images(paths)
    assert Pixels().plan(items) == {"size": 8, "mode": "L"}
    feature_ND, ticks = encode(Pixels(), items)
    assert feature_ND.shape == (300, 64)
    assert ticks[-1] == 300
    assert cross_val_score(KNeighborsClassifier(3), feature_ND, target, cv=3).mean() > 0.9


def test_large_colour_images_become_small_ones(tmp_path):
    items = Items.of_images(colour_files(tmp_path, 5, 90))
    assert Pixels().plan(items) == {"size": 32, "mode": "RGB"}
    assert encode(Pixels(), items)[0].shape == (5, 4)  # five images span four directions


def test_one_image(tmp_path):
    assert encode(Pixels(), Items.of_images(colour_files(tmp_path, 1, 8)))[0].shape[0] == 1
