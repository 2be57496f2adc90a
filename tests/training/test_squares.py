import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sslcore.errors import ConfigError
from sslcore.framing import MOST_SQUEEZE, framed, inside
from sslcore.media import load_images
from sslcore.training.squares import resize


@given(st.integers(1, 2000), st.integers(1, 2000), st.integers(8, 512))
def test_an_image_fills_its_square_and_is_squeezed_by_four_to_three_at_most(height, width, size):
    high, wide = inside(height, width, size)
    assert max(high, wide) == size
    assert min(high, wide) >= 1
    squeeze = (wide / width) / (high / height)
    rounding = 1 + 0.5 / max(0.5, min(high, wide) - 0.5)
    if min(high, wide) > 1:
        assert 1 / (MOST_SQUEEZE * rounding) <= squeeze <= MOST_SQUEEZE * rounding
    if MOST_SQUEEZE >= width / height >= 1 / MOST_SQUEEZE:
        assert (high, wide) == (size, size)


@pytest.mark.parametrize(("height", "width"), [(40, 120), (120, 40), (60, 60), (60, 75)])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_what_stands_at_the_side_is_kept(height, width, mode):
    """A white spot in each corner of a grey image: a cut of the middle would lose all four."""
    image = Image.new(mode, (width, height), 90 if mode == "L" else (90, 90, 90))
    spot = Image.new(mode, (height // 5, height // 5), "white")
    for place in ((0, 0), (width - spot.width, 0), (0, height - spot.height)):
        image.paste(spot, place)
    pixels = np.asarray(framed(image, 32)).reshape(32, 32, -1)[..., 0]
    high, wide = inside(height, width, 32)
    top, left = (32 - high) // 2, (32 - wide) // 2
    assert pixels[top, left] > 180
    assert pixels[top, left + wide - 1] > 180
    assert pixels[top + high - 1, left] > 180
    assert pixels[top + high - 1, left + wide - 1] < 120


def test_arrays_and_files_become_the_same_squares(tmp_path):
    rng = np.random.default_rng(0)
    for name, (height, width) in {"wide": (50, 160), "tall": (90, 40), "even": (64, 64)}.items():
        coarse = rng.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        path = tmp_path / f"{name}.png"
        image.save(path)
        from_file = load_images([path], 32, whole=True)[0].astype(int)
        from_array = resize(np.asarray(image).transpose(2, 0, 1)[None], 32)[0].astype(int)
        assert np.abs(from_file - from_array).max() <= 3


def test_a_band_has_the_colour_of_the_border():
    image_NXHW = np.full((1, 3, 20, 100), 40, dtype=np.uint8)
    image_NXHW[:, :, 5:15, 20:80] = 250
    out_NXHW = resize(image_NXHW, 30)
    assert (out_NXHW[0, :, 0] == 40).all()
    assert (out_NXHW[0, :, -1] == 40).all()
    assert out_NXHW.max() > 240


def test_keeping_whole_needs_a_square(tmp_path):
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="the same both ways"):
        load_images([tmp_path / "a.png"], (8, 9), whole=True)
