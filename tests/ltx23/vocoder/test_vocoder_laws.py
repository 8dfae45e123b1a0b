"""Laws of the vocoder that hold whatever the weights are, and weights that all matter."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from ltx_port.vocoder.bandwidth import WholeHops
from ltx_port.vocoder.resample import Downsample, SkipResampler, Upsample
from ltx_port.vocoder.sound import SoundDecoder
from ltx_port.vocoder.spectrum import LogMel
from parity.ltx23.stages import CASES
from parity.ltx23.world import World
from parity.run.forward import observe

# A symmetric low pass at half the rate, as the real ones are: 12 taps that sum to 1.
HALF = torch.tensor([0.0020, 0.0094, -0.0255, -0.0577, 0.1286, 0.4432])
LOW_PASS = torch.cat([HALF, HALF.flip(0)]).view(1, 1, 12)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World(release="1.2.0") as made:
        yield made


def slow_wave(samples: int, rate: float = 1.0, delay: float = 0.0) -> Tensor:
    """A wave whose period is 40 samples at rate 1."""
    time = (torch.arange(samples, dtype=torch.float64) / rate - delay) / 40
    return torch.sin(2 * torch.pi * time).float().view(1, 1, -1)


def test_twice_the_rate_and_back_is_the_same_slow_wave() -> None:
    up, down = Upsample(), Downsample()
    up.filter, down.filter = LOW_PASS, LOW_PASS
    wave = slow_wave(200)
    twice = up(wave)
    assert twice.shape[-1] == 400
    # Samples of the doubled rate lie a quarter of a sample to either side of the old ones.
    torch.testing.assert_close(twice[..., 40:-40], slow_wave(400, 2, 0.25)[..., 40:-40], atol=0.02, rtol=0)
    torch.testing.assert_close(down(twice)[..., 20:-20], wave[..., 20:-20], atol=0.02, rtol=0)


@pytest.mark.parametrize(("ratio", "taps"), [(2, 29), (3, 43)])
def test_the_skip_keeps_a_slow_wave_in_place(ratio: int, taps: int) -> None:
    resampler = SkipResampler(ratio)
    assert resampler.filter.shape == (1, 1, taps)
    found = resampler(slow_wave(200))
    assert found.shape[-1] == 200 * ratio
    torch.testing.assert_close(found[..., 30:-30], slow_wave(200 * ratio, ratio)[..., 30:-30], atol=0.02, rtol=0)


def test_a_spectrum_sees_nothing_later() -> None:
    log_mel = LogMel(window=64, hop=10, mel_bins=8)
    for index, buffer in enumerate(log_mel.buffers()):
        buffer.copy_(torch.rand(buffer.shape, generator=torch.Generator().manual_seed(index)))
    wave = slow_wave(2 * 50).view(1, 2, 50)
    changed = wave.clone()
    changed[..., 30:] = 0.5
    before, after = log_mel(wave), log_mel(changed)
    assert before.shape == (1, 2, 5, 8)
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    assert not torch.equal(before[:, :, 3], after[:, :, 3])


@pytest.mark.parametrize(("samples", "whole"), [(1, 8), (8, 8), (9, 16)])
def test_a_waveform_is_padded_to_whole_hops(samples: int, whole: int) -> None:
    padded = WholeHops(8)(torch.ones(1, 2, samples))
    assert padded.shape[-1] == whole
    assert padded.sum() == 2 * samples, "with silence"


def test_loud_sound_stays_within_bounds_and_reaches_them(world: World) -> None:
    case = CASES["vocoder-clips"]
    loud = next(f for f in world.forwards(case, torch.float32) if f.name.startswith("loud"))
    seen = observe(world.port(case, torch.float32), loud)
    for before, after in (("base.conv_out", "base.wave"), ("sum", "clipped")):
        unclipped, clipped = (seen[f"vocoder.{loud.name}.{name}"] for name in (before, after))
        outside = float((unclipped.abs() > 1).float().mean())
        assert 0.1 < outside < 0.9, "a clamp left out must show, and so must everything else"
        assert float(clipped.abs().max()) == 1.0


def test_every_tensor_of_the_file_matters_but_the_inverse_transform(world: World) -> None:
    """A tenth of its spread moves the sound by far more than float32 rounds."""
    case = CASES["vocoder-small"]
    root = world.port(case, torch.float32).root
    assert isinstance(root, SoundDecoder)
    (forward,) = world.forwards(case, torch.float32)
    tensors = root.vocoder.state_dict(keep_vars=True)
    for tensor in tensors.values():
        tensor.requires_grad_(True)
    sound = root.vocoder(forward.inputs.working["mel"])
    weights = torch.linspace(-1, 1, sound.numel()).view(sound.shape)
    gradients = torch.autograd.grad((sound * weights).sum(), list(tensors.values()), allow_unused=True)
    root.requires_grad_(False)
    for buffer in root.buffers():
        buffer.requires_grad_(False)
    loudness = sound.detach().norm()
    moved = {
        name: 0.0 if gradient is None else float(0.1 * tensor.detach().std() * gradient.norm() / loudness)
        for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True)
    }
    assert [name for name, by in moved.items() if not by > 1e-5] == ["extension.log_mel.transform.inverse_basis"]


def test_two_clips_give_what_each_gives_alone(world: World) -> None:
    case = CASES["vocoder-clips"]
    pair = next(f for f in world.forwards(case, torch.float32) if f.name.startswith("pair"))
    root, mel = world.port(case, torch.float32).root, pair.inputs.working["mel"]
    together = root.vocoder(mel)
    assert not torch.equal(together[0], together[1])
    for index in range(2):
        torch.testing.assert_close(together[index], root(mel[index : index + 1]).waveform, atol=1e-5, rtol=1e-4)
