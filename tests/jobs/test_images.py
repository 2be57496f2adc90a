"""Images of any size: outlines, the cache, and a run on photographs of 512 pixels."""

import numpy as np
import pytest
from PIL import Image

from sslcore.jobs.images import cached_images, outline
from sslcore.training import sizing
from sslcore.training.data import TaskLabels, TrainingData
from sslcore.training.preprocess import plan
from sslcore.training.recipe import TrainConfig
from sslcore.training.run import train
from tests.training.toys import Remember, recipe


def photographs(folder, count=24, size=(512, 384), mode="RGB"):
    """Bright or dark scenes with a disc at one side, as JPEG files."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    paths, label_N = [], np.arange(count) % 2
    for row in range(count):
        rough = rng.integers(0, 120, (6, 8, 3), dtype=np.uint8) + np.uint8(120 * label_N[row])
        image = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC).convert(mode)
        paths.append(folder / f"{row:03}.jpg")
        image.save(paths[-1], quality=80)
    return paths, label_N


def test_an_outline_has_the_shape_and_takes_no_memory(tmp_path):
    paths, _ = photographs(tmp_path / "colour", 6)
    held = outline(paths)
    assert (held.shape, held.dtype) == ((6, 3, 384, 384), np.uint8)
    assert held.strides == (0, 0, 0, 0)
    grey, _ = photographs(tmp_path / "grey", 3, size=(28, 28), mode="L")
    assert outline(grey).shape == (3, 1, 28, 28)


def test_each_size_has_its_own_cache(tmp_path):
    paths, _ = photographs(tmp_path / "media", 5)
    small, large = cached_images(tmp_path, paths, size=32), cached_images(tmp_path, paths, size=64)
    assert (small.shape, large.shape) == ((5, 3, 32, 32), (5, 3, 64, 64))
    assert isinstance(large, np.memmap), "read from the disk as it is needed"
    assert len(list((tmp_path / "cache").glob("images_*.npy"))) == 2


@pytest.mark.parametrize("backbone", ["auto", "timm:resnet18?pretrained=false"])
def test_photographs_of_512_pixels_are_sized_cached_and_trained(tmp_path, monkeypatch, backbone):
    paths, answer_N = photographs(tmp_path / "media")
    label_N = np.where(np.arange(24) < 8, answer_N, -1)
    seconds = {32: 0.001, 64: 0.002, 96: 0.004}
    monkeypatch.setattr(
        sizing, "seconds_a_step", lambda run, data: seconds.get(run.train_config.image_size, 9.0)
    )
    monkeypatch.setattr(sizing, "LEAST_MINUTES", 0.0)
    wish = recipe("fixmatch", minutes=0.05, backbone=backbone, batch=4, unlabelled_ratio=1)
    task = TaskLabels("t", "single", 2, label_N)
    monkeypatch.setattr(sizing, "ENOUGH", 300)
    settled = sizing.settle(wish, TrainingData("image", [task], image_NXHW=outline(paths)), tmp_path)
    size = settled.train_config.image_size
    assert size == 96
    named = "efficientnet_lite0" if backbone == "auto" else backbone
    assert settled.train_config.backbone == named
    images = cached_images(tmp_path, paths, size=size)
    data = TrainingData("image", [task], image_NXHW=images, key_N={"t": answer_N})
    out = train(wish, data, Remember(), folder=tmp_path, resume=True)
    assert out.predictor.preprocess.size == size
    assert out.proba["t"].shape == (24, 2)
    again = out.predictor.predict_proba(np.asarray(images))["t"]
    np.testing.assert_allclose(again, out.proba["t"], atol=1e-5)


def test_statistics_of_many_large_images_stay_small(tmp_path):
    shown = np.broadcast_to(np.full((1, 3, 1, 1), 51, dtype=np.uint8), (5000, 3, 512, 512))
    task = TaskLabels("t", "single", 2, np.arange(5000) % 2)
    data = TrainingData("image", [task], image_NXHW=shown)
    import torch

    made = plan(data, TrainConfig(backbone="wrn_16_2", image_size=512), torch.device("cpu"))
    assert made.mean == pytest.approx((0.2, 0.2, 0.2))
    assert made.at_once == 4
