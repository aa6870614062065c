"""Pixels and digests of images; Pillow's own functions are the oracle."""

from __future__ import annotations

import hashlib
import pickle
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from evoprune.data import IMAGE_SUFFIXES, ArrayImage, FileImage, UnreadableImageError, load_image
from evoprune.errors import DataError

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def save(path: Path, image: PIL.Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def png(path: Path, *chunks: tuple[bytes, bytes]) -> Path:
    """A PNG file made of raw chunks, for headers that Pillow does not write."""
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + body)
    return path


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff", ".tif"])
def test_lossless_formats_give_back_the_pixels(tmp_path, suffix):
    loaded = load_image(save(tmp_path / f"a{suffix}", PIL.Image.fromarray(RGB)))
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, RGB)


def test_lossless_webp_gives_back_the_pixels(tmp_path):
    np.testing.assert_array_equal(load_image(save(tmp_path / "a.webp", PIL.Image.fromarray(RGB), lossless=True)), RGB)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
def test_jpeg_is_decoded_as_pillow_does(tmp_path, options):
    path = save(tmp_path / "a.jpg", PIL.Image.fromarray(RGB), **options)
    np.testing.assert_array_equal(load_image(path), np.asarray(PIL.Image.open(path)))


def test_contents_decide_not_the_suffix(tmp_path):
    path = save(tmp_path / "really_a_png.jpg", PIL.Image.fromarray(RGB), format="PNG")
    np.testing.assert_array_equal(load_image(path), RGB)


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_has_three_equal_channels(tmp_path, mode):
    image = PIL.Image.fromarray(RGB).convert(mode)
    loaded = load_image(save(tmp_path / "a.png", image))
    np.testing.assert_array_equal(loaded, np.repeat(np.asarray(image.convert("L"))[..., None], 3, axis=2))


def test_palette(tmp_path):
    image = PIL.Image.fromarray(RGB).quantize(8)
    np.testing.assert_array_equal(load_image(save(tmp_path / "a.png", image)), np.asarray(image.convert("RGB")))


def test_palette_transparency_becomes_white(tmp_path):
    image = PIL.Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putdata([0, 1])
    loaded = load_image(save(tmp_path / "a.png", image, transparency=0))
    np.testing.assert_array_equal(loaded, [[[255, 255, 255], [40, 50, 60]]])


@pytest.mark.parametrize(("mode", "color"), [("RGBA", (200, 100, 0)), ("LA", (200, 200, 200))])
def test_alpha_is_composited_over_white(tmp_path, mode, color):
    image = PIL.Image.new("RGBA", (3, 1))
    for x, alpha in enumerate((0, 128, 255)):
        image.putpixel((x, 0), (*color, alpha))
    loaded = load_image(save(tmp_path / "a.png", image.convert(mode)))[0].astype(float)
    for x, alpha in enumerate((0, 128, 255)):
        expected = np.array(color) * alpha / 255 + 255 * (1 - alpha / 255)
        np.testing.assert_allclose(loaded[x], expected, atol=1)


def test_transparent_colour_of_an_rgb_png_becomes_white(tmp_path):
    image = PIL.Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (7, 8, 9))
    loaded = load_image(save(tmp_path / "a.png", image, transparency=(1, 2, 3)))
    np.testing.assert_array_equal(loaded, [[[255, 255, 255], [7, 8, 9]]])


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path, suffix):
    # Large and flat, so that JPEG keeps the colour.
    image = PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    loaded = load_image(save(tmp_path / f"a{suffix}", image))
    np.testing.assert_allclose(loaded[8, 8].astype(int), [255, 0, 0], atol=4)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    values = np.array([[0, 257, 128 * 257, 200 * 257, 65535]], dtype=np.uint16)
    loaded = load_image(save(tmp_path / f"a{suffix}", PIL.Image.fromarray(values)))
    np.testing.assert_array_equal(loaded[..., 0], [[0, 1, 128, 200, 255]])
    assert loaded.shape == (1, 5, 3)


def test_big_endian_sixteen_bit_tiff(tmp_path):
    pixels = np.array([[0, 32768, 65535]], dtype=">u2").tobytes()
    tags = [
        (256, 3, 3),
        (257, 3, 1),
        (258, 3, 16),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (277, 3, 1),
        (278, 3, 1),
        (279, 4, 6),
    ]
    entries = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, value in tags
    )
    path = tmp_path / "a.tif"
    path.write_bytes(b"MM\x00*" + struct.pack(">I", 14) + pixels + struct.pack(">H", len(tags)) + entries + bytes(4))
    np.testing.assert_array_equal(load_image(path)[..., 0], [[0, 128, 255]])


def test_sixteen_bit_colour_png(tmp_path):
    row = b"\x00" + struct.pack(">6H", 0, 128 * 257, 65535, 257, 2 * 257, 3 * 257)
    path = png(
        tmp_path / "a.png",
        (b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(row)),
        (b"IEND", b""),
    )
    np.testing.assert_array_equal(load_image(path), [[[0, 128, 255], [1, 2, 3]]])


def test_float_tiff_in_zero_to_one(tmp_path):
    path = save(tmp_path / "a.tif", PIL.Image.fromarray(np.array([[0, 0.5, 1]], dtype=np.float32)))
    np.testing.assert_array_equal(load_image(path)[..., 1], [[0, 128, 255]])


@pytest.mark.parametrize("value", [300.0, -0.5, np.nan])
def test_float_tiff_outside_zero_to_one_is_refused(tmp_path, value):
    path = save(tmp_path / "a.tif", PIL.Image.fromarray(np.array([[0, value]], dtype=np.float32)))
    with pytest.raises(DataError, match=r"a\.tif cannot be read as an image: its pixels range over .* outside 0\.\.1"):
        load_image(path)


def test_thirty_two_bit_tiff_is_refused(tmp_path):
    path = save(tmp_path / "a.tif", PIL.Image.fromarray(np.array([[0, 70000]], dtype=np.int32)))
    with pytest.raises(DataError, match="32-bit integer pixels have no defined white"):
        load_image(path)


@pytest.mark.parametrize("mode", ["LAB", "YCbCr"])
def test_other_colour_spaces(tmp_path, mode):
    image = PIL.Image.new(mode, (8, 8), (200, 100, 140))
    np.testing.assert_array_equal(load_image(save(tmp_path / "a.tif", image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_exif_orientation_is_applied(tmp_path, orientation, suffix):
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a{suffix}", PIL.Image.fromarray(RGB), exif=exif)
    with PIL.Image.open(path) as image:
        expected = np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB"))
    np.testing.assert_array_equal(load_image(path), expected)
    assert load_image(path).shape == ((6, 9, 3) if orientation < 5 else (9, 6, 3))


def test_sixteen_bit_grey_is_turned_upright_too(tmp_path):
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    values = np.array([[0, 257], [514, 771], [1028, 1285]], dtype=np.uint16)
    path = save(tmp_path / "a.png", PIL.Image.fromarray(values), exif=exif)
    np.testing.assert_array_equal(load_image(path)[..., 0], np.rot90(values // 257, -1))


def test_damaged_exif_does_not_matter(tmp_path):
    path = save(tmp_path / "a.jpg", PIL.Image.fromarray(RGB), exif=b"Exif\x00\x00not a tiff header at all")
    assert load_image(path).shape == RGB.shape


def test_first_page_of_several(tmp_path):
    pages = [PIL.Image.fromarray(RGB), PIL.Image.fromarray(255 - RGB)]
    np.testing.assert_array_equal(
        load_image(save(tmp_path / "a.tif", pages[0], save_all=True, append_images=pages[1:])), RGB
    )


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.jpg cannot be read as an image: the file does not exist$"):
        load_image(tmp_path / "none.jpg")


def test_folder_instead_of_file(tmp_path):
    with pytest.raises(DataError, match="is a directory"):
        load_image(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.jpg").touch()
    with pytest.raises(DataError, match=r"a\.jpg cannot be read as an image: the file is empty \(0 bytes\)$"):
        load_image(tmp_path / "a.jpg")


def test_wrong_contents(tmp_path):
    (tmp_path / "a.jpg").write_text("<html>404</html>")
    with pytest.raises(DataError, match=r"the contents are not a JPEG, PNG, WebP, BMP or TIFF image$"):
        load_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp", ".tif"])
def test_truncated_file(tmp_path, suffix):
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"a{suffix}", PIL.Image.fromarray(pixels))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"a\{suffix} cannot be read as an image: "):
        load_image(path)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
def test_damage_anywhere_is_an_image_or_a_data_error(tmp_path):
    """Whatever a damaged byte does to Pillow's decoders, no other error comes out."""
    rng = np.random.default_rng(2)
    refused = 0
    for suffix in (".jpg", ".png", ".webp", ".bmp", ".tif"):
        intact = save(tmp_path / f"a{suffix}", PIL.Image.fromarray(RGB)).read_bytes()
        for _ in range(60):
            damaged = bytearray(intact)
            for position in rng.integers(0, len(intact), 3):
                damaged[position] = rng.integers(0, 256)
            path = tmp_path / f"b{suffix}"
            path.write_bytes(damaged)
            try:
                assert load_image(path).shape[2] == 3
            except DataError:
                refused += 1
    assert refused > 20


def test_decompression_bomb(tmp_path):
    path = png(
        tmp_path / "a.png",
        (b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(bytes(100))),
        (b"IEND", b""),
    )
    with pytest.raises(DataError, match="decompression bomb"):
        load_image(path)


def test_unreadable_image_error_survives_pickling(tmp_path):
    error = pickle.loads(pickle.dumps(UnreadableImageError(tmp_path / "a.jpg", "why")))  # noqa: S301
    assert (error.path, error.reason, str(error)) == (
        tmp_path / "a.jpg", "why", f"{tmp_path / 'a.jpg'} cannot be read as an image: why"
    )  # fmt: skip


def test_file_image(tmp_path):
    path = save(tmp_path / "a.png", PIL.Image.fromarray(RGB))
    image = FileImage(path)
    assert image.name == str(path)
    assert image.digest() == hashlib.sha256(path.read_bytes()).hexdigest()
    np.testing.assert_array_equal(image.load(), RGB)


def test_digest_of_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="the file does not exist"):
        FileImage(tmp_path / "none.png").digest()


def test_array_image_digest_depends_on_pixels_and_shape_only():
    image = ArrayImage("a", RGB)
    assert image.digest() == ArrayImage("b", RGB.copy()).digest()
    assert image.digest() != ArrayImage("a", RGB.reshape(9, 6, 3)).digest()
    assert image.digest() != ArrayImage("a", 255 - RGB).digest()
    # Memory order is no part of the contents.
    assert ArrayImage("a", np.asfortranarray(RGB)).digest() == image.digest()
    np.testing.assert_array_equal(image.load(), RGB)


@pytest.mark.parametrize("pixels", [RGB.astype(np.float32), RGB[..., 0], RGB[..., :2], RGB[:0]])
def test_array_image_of_another_kind_is_refused(pixels):
    with pytest.raises(DataError, match=r"image x is .* give uint8 \[H, W, 3\]"):
        ArrayImage("x", pixels)


def test_suffixes():
    assert {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"} == IMAGE_SUFFIXES
