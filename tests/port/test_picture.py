"""Pictures: what is read from a file, what is refused, and each step to the video encoder's pixels."""

import random
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, ImageOps

from ltx_port.errors import InputError
from ltx_port.picture import DEFAULT_CRF, PictureConditioning, read_picture
from ltx_port.picture.conditioning import CentreCrop, Resize, ToRange
from ltx_port.picture.still import EvenSize, H264Degradation
from ltx_port.release import RELEASE_1_0_0, RELEASE_1_2_0, Release

CPU = torch.device("cpu")
BOTH = [RELEASE_1_0_0, RELEASE_1_2_0]


def levels(height: int = 7, width: int = 10, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height * width).integers(0, 256, (height, width, channels), dtype=np.uint8)


def photograph(height: int = 48, width: int = 64) -> torch.Tensor:
    row, column = np.mgrid[:height, :width]
    smooth = np.stack([row * 3 + column, 255 - column * 2, row * column // 16], -1).clip(0, 255)
    return torch.from_numpy((smooth + levels(height, width) // 16).clip(0, 255).astype(np.uint8))


def saved(folder: Path, picture: Image.Image, suffix: str = ".png", **more: object) -> Path:
    path = folder / f"picture{suffix}"
    picture.save(path, **more)
    return path


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("release", BOTH, ids=lambda release: release.name)
def test_an_rgb_picture_is_read_as_it_is(tmp_path: Path, release: Release) -> None:
    found = read_picture(saved(tmp_path, Image.fromarray(levels())), release)
    assert np.array_equal(found.numpy(), levels())


@pytest.mark.parametrize("release", BOTH, ids=lambda release: release.name)
def test_transparency_is_left_out_and_not_blended(tmp_path: Path, release: Release) -> None:
    found = read_picture(saved(tmp_path, Image.fromarray(levels(channels=4), "RGBA")), release)
    assert np.array_equal(found.numpy(), levels(channels=4)[..., :3])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_only_turns_are_undone_and_only_in_the_newest_release(tmp_path: Path, orientation: int) -> None:
    path = saved(tmp_path, Image.fromarray(levels()), exif=exif(orientation))
    with Image.open(path) as stored:
        upright = np.array(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_picture(path, RELEASE_1_0_0).numpy(), levels())
    expected = upright if orientation in (3, 6, 8) else levels()
    assert np.array_equal(read_picture(path, RELEASE_1_2_0).numpy(), expected)


def test_an_orientation_that_does_not_exist_is_ignored(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(levels()), exif=exif(77))
    assert np.array_equal(read_picture(path, RELEASE_1_2_0).numpy(), levels())


def test_a_colour_profile_is_followed_only_in_the_newest_release(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"____", 1).replace(b"bXYZ", b"rXYZ", 1).replace(b"____", b"bXYZ", 1)
    red = np.zeros((4, 4, 3), np.uint8)
    red[..., 0] = 255
    path = saved(tmp_path, Image.fromarray(red), icc_profile=swapped)
    assert read_picture(path, RELEASE_1_0_0)[0, 0].tolist() == [255, 0, 0]
    # The profile says that its red is what sRGB calls blue.
    found = read_picture(path, RELEASE_1_2_0)[0, 0].tolist()
    assert found[2] > 250
    assert max(found[:2]) < 5


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_profile_is_followed_below_transparency_too(tmp_path: Path, mode: str) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    if mode == "LA":
        # A grey one: the curve of red for the only channel.
        profile = profile[:16] + b"GRAY" + profile[20:].replace(b"rTRC", b"kTRC", 1)
    picture = Image.fromarray(levels(channels=4), "RGBA").convert(mode)
    path = saved(tmp_path, picture, icc_profile=profile)
    # Within a rounding, and without the warning that a profile was not used.
    opaque = np.array(picture.convert("RGB")).astype(int)
    assert np.abs(read_picture(path, RELEASE_1_2_0).numpy() - opaque).max() <= 1


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = saved(tmp_path, Image.fromarray(levels()), icc_profile=srgb)
    assert np.abs(read_picture(path, RELEASE_1_2_0).numpy().astype(int) - levels()).max() <= 1


def test_a_profile_that_cannot_be_used_is_left_out_with_a_warning(tmp_path: Path) -> None:
    path = saved(tmp_path, Image.fromarray(levels()), icc_profile=b"no profile")
    with pytest.warns(UserWarning, match="colour profile not used"):
        found = read_picture(path, RELEASE_1_2_0)
    assert np.array_equal(found.numpy(), levels())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "I;16"])
def test_a_picture_without_colours_is_rgb_in_the_newest_release_and_refused_in_the_first(
    tmp_path: Path, mode: str
) -> None:
    if mode == "I;16":
        picture = Image.fromarray(levels()[..., 0].astype(np.uint16) * 256)
    else:
        picture = Image.fromarray(levels()).convert("RGBA" if mode == "LA" else "RGB").convert(mode)
    path = saved(tmp_path, picture)
    assert read_picture(path, RELEASE_1_2_0).shape == (7, 10, 3)
    with pytest.raises(InputError, match=r"mode .*save it as RGB, or use release 1\.2\.0") as refusal:
        read_picture(path, RELEASE_1_0_0)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_each_format_is_read_whatever_the_name_says(tmp_path: Path, suffix: str) -> None:
    path = saved(tmp_path, Image.fromarray(photograph().numpy()), suffix).rename(tmp_path / "picture")
    with Image.open(path) as stored:
        assert np.array_equal(read_picture(path).numpy(), np.array(stored.convert("RGB")))


# ---------------------------------------------------------------- files that are refused


def refused(path: Path, match: str) -> None:
    with pytest.raises(InputError, match=match) as refusal:
        read_picture(path)
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(path))


def test_a_missing_file_a_folder_and_an_empty_file_are_refused(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", "no such file")
    refused(tmp_path, "unreadable or truncated .*directory")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "an empty file")


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    refused(tmp_path / "text.png", "another format")
    for suffix in (".gif", ".bmp", ".tiff"):
        refused(saved(tmp_path, Image.fromarray(levels()), suffix), "another format, .* save the picture again")


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_truncated_file_is_refused_when_it_is_read(tmp_path: Path, suffix: str, share: float) -> None:
    path = saved(tmp_path, Image.fromarray(levels(60, 60)), suffix)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refused(path, "truncated|damaged")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", denied)
    refused(tmp_path / "picture.png", r"\(Permission denied\)")


@pytest.mark.parametrize("times", [1.5, 3.0])
def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: float) -> None:
    """Pillow warns above its limit, and refuses above twice that; both are refusals here."""
    path = saved(tmp_path, Image.fromarray(levels(20, 20)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", int(400 / times))
    refused(path, "too many pixels; expected at most")


def test_a_picture_without_pixels_is_refused(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0)
    path = tmp_path / "zero.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )
    refused(path, "unreadable|damaged")


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".png"])
def test_a_damaged_file_gives_a_picture_or_one_line(tmp_path: Path, suffix: str) -> None:
    content = saved(tmp_path, Image.fromarray(levels(24, 24)), suffix, exif=exif(6)).read_bytes()
    chance, path = random.Random(5), tmp_path / f"damaged{suffix}"
    read, lines = 0, list[str]()
    for _ in range(150):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 20])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            # Pillow warns of damaged EXIF data.
            warnings.simplefilter("ignore")
            try:
                read += read_picture(path).ndim == 3
            except InputError as refusal:
                lines.append(str(refusal))
    assert read > 0
    assert lines
    assert not any("\n" in line for line in lines)


# ---------------------------------------------------------------- compression


def test_the_default_strength_is_that_of_the_pipelines() -> None:
    assert DEFAULT_CRF == 33


def test_crf_0_leaves_any_picture_as_it_is() -> None:
    picture = torch.from_numpy(levels(1, 5))
    assert H264Degradation()(picture, 0) is picture


def test_the_last_row_and_column_of_an_odd_picture_go() -> None:
    picture = torch.from_numpy(levels(7, 5))
    assert torch.equal(EvenSize()(picture), picture[:6, :4])


def test_compression_changes_a_picture_a_little_and_always_alike() -> None:
    picture, degrade = photograph(), H264Degradation()
    found = degrade(picture, 33)
    error = (found.int() - picture.int()).abs().float().mean()
    assert 0.5 < error < 12
    assert torch.equal(found, degrade(picture, 33))
    stronger = (degrade(picture, 51).int() - picture.int()).abs().float().mean()
    assert stronger > error


@pytest.mark.parametrize("crf", [-1, 52, 1000])
def test_a_strength_that_libx264_does_not_have_is_refused(crf: int) -> None:
    with pytest.raises(InputError, match=rf"picture crf: {crf}; expected 0 \(no loss\) to 51"):
        H264Degradation()(photograph(), crf)


@pytest.mark.parametrize("size", [(1, 8), (8, 1), (1, 1)])
def test_a_picture_too_small_to_compress_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"{size[0]}x{size[1]} pixels; expected at least 2x2"):
        H264Degradation()(torch.from_numpy(levels(*size)), 33)


def test_a_picture_too_large_for_libx264_is_refused() -> None:
    with pytest.raises(InputError, match=r"20x20000 pixels .*; expected a size that libx264 encodes"):
        H264Degradation()(torch.zeros(20, 20000, 3, dtype=torch.uint8), 33)


# ---------------------------------------------------------------- size and range


@pytest.mark.parametrize(
    ("picture", "size", "covering"),
    [((10, 20), (30, 30), (30, 60)), ((20, 10), (30, 30), (60, 30)), ((37, 53), (32, 64), (45, 64)),
     ((32, 48), (32, 48), (32, 48)), ((3, 7), (2, 2), (2, 5))],
)  # fmt: skip
def test_a_resized_picture_just_covers_the_clip(
    picture: tuple[int, int], size: tuple[int, int], covering: tuple[int, int]
) -> None:
    found = Resize()(torch.zeros(*picture, 3), size)
    assert tuple(found.shape[2:]) == covering


def test_an_odd_surplus_goes_at_the_end() -> None:
    picture = torch.arange(5.0).expand(1, 3, 4, 5)
    assert CentreCrop()(picture, (4, 2))[0, 0, 0, 0].tolist() == [1.0, 2.0]


def test_the_range_of_levels_is_that_of_the_encoder() -> None:
    ends = torch.tensor([0.0, 127.5, 255.0]).expand(1, 3, 1, 1, 3)
    assert ToRange()(ends)[0, 0, 0, 0].tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_result_is_a_clip_of_one_frame_in_the_working_dtype(dtype: torch.dtype) -> None:
    conditioning = PictureConditioning()
    found = conditioning(photograph(), (32, 64), DEFAULT_CRF, dtype, CPU)
    assert (found.shape, found.dtype) == ((1, 3, 1, 32, 64), dtype)
    assert -1.0 <= found.min() < found.max() <= 1.0
    assert conditioning.state_dict() == {}


def test_an_uncompressed_picture_of_the_clip_s_size_is_only_scaled() -> None:
    picture = photograph(32, 64)
    found = PictureConditioning()(picture, (32, 64), 0, torch.float32, CPU)
    assert torch.equal(found[0, :, 0].permute(1, 2, 0), picture.float() / 127.5 - 1.0)


@pytest.mark.parametrize("size", [(0, 64), (32, -1)])
def test_a_size_that_is_not_positive_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="picture size"):
        PictureConditioning()(photograph(), size, 33, torch.float32, CPU)
