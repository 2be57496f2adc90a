"""Images and paths that nobody vouches for."""

import hashlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sslcore.errors import ConfigError, DataError, UnsafePathError
from sslcore.image_metadata import without_metadata
from sslcore.media import IMAGE_FORMATS, check_image, load_images, open_image, safe_join, thumbnail

SECRET = b"SECRET-CAMERA"


def encoded(format="PNG", mode="RGB", size=(40, 20), orientation=None, **save):
    rng = np.random.default_rng(0)
    pixels = np.kron(
        rng.integers(0, 256, (size[1] // 4, size[0] // 4, 3), dtype=np.uint8), np.ones((4, 4, 1), np.uint8)
    )
    image = Image.fromarray(pixels).convert(mode)
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112], exif[0x010F] = orientation, SECRET.decode()
        save["exif"] = exif
    buffer = io.BytesIO()
    image.save(buffer, format, **save)
    return buffer.getvalue()


@pytest.fixture
def put(tmp_path):
    def write(data, name="a.png"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.mark.parametrize("format", IMAGE_FORMATS)
def test_magic_bytes_decide_and_not_the_name(put, format):
    data = encoded(format)
    info = check_image(put(data, "a.txt"))
    assert (info.format, info.width, info.height) == (format, 40, 20)
    assert info.sha256 == hashlib.sha256(data).hexdigest()
    assert open_image(put(data, "b.exe")).size == (40, 20)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "zero bytes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no image"),
        (b"<html><script>alert(1)</script>", "no image"),
        (b"%PDF-1.4", "no image"),
        (encoded("JPEG", size=(400, 400))[:2000], "cut short"),
        (encoded("PNG", size=(400, 400))[:200], "broken or cut|no image"),
        (encoded("GIF")[:60], "cut short|no image"),
        (encoded("PNG")[:8] + bytes(60), "no image"),
    ],
)
def test_what_is_no_whole_image_is_refused_by_name(put, data, reason):
    path = put(data, "bad.png")
    for use in (check_image, open_image, lambda p: thumbnail(p, 32), lambda p: load_images([p], 8)):
        with pytest.raises(DataError, match=reason) as caught:
            use(path)
        assert "bad.png" in str(caught.value)


def test_bomb_is_refused_before_it_is_decoded(put):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    for side in (10_000, 60_000):
        header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
        data = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
            + chunk(b"IEND", b"")
        )
        with pytest.raises(DataError, match="pixels"):
            check_image(put(data))


def test_missing_file_and_folder_are_clear_errors(tmp_path):
    for path in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(DataError, match="No such file"):
            open_image(path)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_metadata_goes_and_orientation_and_pixels_stay(put, format, orientation):
    more = {"lossless": True} if format == "WEBP" else {}
    data = encoded(format, orientation=orientation, **more)
    clean = without_metadata(data)
    assert SECRET in data
    assert SECRET not in clean
    before, after = put(data, "before"), put(clean, "after")
    assert np.array_equal(np.asarray(open_image(before)), np.asarray(open_image(after)))
    assert without_metadata(clean) == clean
    assert check_image(clean).width == (40 if orientation < 5 else 20)
    assert open_image(after).size == ((40, 20) if orientation < 5 else (20, 40))


@pytest.mark.parametrize("format", IMAGE_FORMATS)
def test_file_without_metadata_comes_back_as_it_is(format):
    data = encoded(format)
    assert without_metadata(data) == data


@given(st.binary(max_size=60), st.sampled_from(["JPEG", "PNG", "WEBP"]), st.integers(0, 200))
def test_stripping_never_fails(noise, format, cut):
    data = encoded(format, orientation=6)
    for given_bytes in (noise, data[:cut], data[:cut] + noise):
        assert isinstance(without_metadata(given_bytes), bytes)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_modes_become_rgb_or_l(put, mode):
    assert open_image(put(encoded(mode=mode))).mode == ("L" if mode in ("1", "L", "LA", "I;16") else "RGB")


def test_cmyk_and_sixteen_bits(put):
    assert open_image(put(encoded("JPEG", mode="CMYK"))).mode == "RGB"
    buffer = io.BytesIO()
    Image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(buffer, "PNG")
    assert np.asarray(open_image(put(buffer.getvalue()))).tolist() == [[0, 1, 255]]
    buffer = io.BytesIO()
    Image.fromarray(np.array([[-1.0, 0.0, 1.0]], np.float32)).save(buffer, "TIFF")
    assert np.asarray(open_image(put(buffer.getvalue()))).tolist() == [[0, 127, 255]]


def test_transparency_lies_on_white(put):
    buffer = io.BytesIO()
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(buffer, "PNG")
    assert open_image(put(buffer.getvalue())).getpixel((0, 0)) == (255, 255, 255)


def test_thumbnails_are_small_clean_and_upright(put):
    data, kind = thumbnail(put(encoded("JPEG", size=(400, 200), orientation=6)), 100)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, kind, image.format) == ((50, 100), "image/jpeg", "JPEG")
        assert not image.getexif()
    assert SECRET not in data
    data, kind = thumbnail(put(encoded(size=(16, 8))), 100)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.size, kind) == ((16, 8), "image/png")
    with pytest.raises(ConfigError):
        thumbnail(put(encoded()), 0)


@pytest.mark.parametrize("count", [3, 70])
def test_images_as_an_array(put, count):
    paths = [put(encoded(), f"{i}.png") for i in range(count - 1)] + [put(encoded("JPEG", "L"), "last.jpg")]
    images = load_images(paths, 16)
    assert (images.shape, images.dtype) == ((count, 3, 16, 16), np.uint8)
    middle = np.asarray(
        open_image(paths[0]).crop((10, 0, 30, 20)).resize((16, 16), Image.Resampling.BILINEAR)
    )
    assert np.abs(images[0].transpose(1, 2, 0).astype(int) - middle).max() <= 2
    grey = np.zeros((count, 1, 8, 16), np.uint8)
    assert load_images(paths, (8, 16), mode="L", out=grey) is grey
    assert grey.any()
    with pytest.raises(ConfigError, match="out must be"):
        load_images(paths, 8, out=grey)


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "./", "..", "../x", "a/../../x", "a/..", "..\\x", "a\\..\\..\\x", "/x", "\\x", "C:\\x",
     "C:x", "\\\\host\\share\\x", "//host/x", "a\0b", "a\nb", "x" * 5000],
)  # fmt: skip
def test_paths_that_leave_are_refused(tmp_path, name):
    with pytest.raises(UnsafePathError):
        safe_join(tmp_path, name)


def test_links_that_leave_are_refused_and_others_are_not(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "real").mkdir()
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "real")
    with pytest.raises(UnsafePathError, match="link"):
        safe_join(root, "out/x")
    assert safe_join(root, "in/x") == root / "in/x"
    assert safe_join(root, "..x/.hidden/a b.png") == root / "..x/.hidden/a b.png"


@given(st.text())
def test_no_text_leads_out(tmp_path_factory, name):
    root = tmp_path_factory.getbasetemp()
    try:
        path = safe_join(root, name)
    except UnsafePathError:
        return
    assert path.resolve().is_relative_to(root.resolve())
