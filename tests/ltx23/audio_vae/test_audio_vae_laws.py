"""Laws of the audio autoencoder, and that its inputs and weights can show a breach."""

from collections.abc import Iterator
from importlib import import_module

import pytest
import torch
from torch import Tensor, nn

from ltx_port.audio_vae.front_end import LOG_FLOOR, LogMelFrontEnd, MelFilterBank
from ltx_port.audio_vae.resampling import Resample
from ltx_port.audio_vae.statistics import Patchify, Unpatchify
from ltx_port.checkpoint.config import parse_config
from parity.ltx23.configs import config_text
from parity.ltx23.stages import CASES
from parity.ltx23.stages.audio_vae.inputs import drawn
from parity.ltx23.world import World
from parity.run.forward import observe

SMALL = CASES["audio-vae-small"]
REAL = parse_config(config_text("ltx-2.3-22b"), "test").audio_vae
# A change that does not reach a value may still round it otherwise: kernels choose by size.
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


@pytest.fixture(scope="module")
def model(world: World) -> nn.ModuleDict:
    root = world.port(SMALL, torch.float32).root
    assert isinstance(root, nn.ModuleDict)
    return root


def moved(left: Tensor, right: Tensor) -> list[int]:
    """Give the frames (axis 2) that differ by more than rounding."""
    return torch.nonzero((left - right).abs().amax(dim=(0, 1, 3)) > ROUNDING).flatten().tolist()


@pytest.mark.parametrize("frames", [1, 2, 3, 6])
def test_t_latent_frames_are_4t_minus_3_mel_frames_and_back(model: nn.ModuleDict, frames: int) -> None:
    mel = model["decoder"](drawn("law.latent", 1, 2, frames, 4))
    assert mel.shape == (1, 2, 4 * frames - 3, 16)
    assert model["encode"].encoder(mel).shape == (1, 2, frames, 4)


@pytest.mark.parametrize(("mel_frames", "frames"), [(1, 1), (2, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_any_number_of_mel_frames_is_rounded_up(model: nn.ModuleDict, mel_frames: int, frames: int) -> None:
    assert model["encode"].encoder(drawn("law.mel", 1, 2, mel_frames, 16)).shape[2] == frames


@pytest.mark.parametrize("changed", [0, 1, 3])
def test_the_decoder_is_causal(model: nn.ModuleDict, changed: int) -> None:
    """Latent frame t first shows in mel frame 4t-3, and the first latent frame in the first."""
    latent = drawn("law.causal", 1, 2, 5, 4)
    other = latent.clone()
    other[:, :, changed] += 1
    frames = moved(model["decoder"](latent), model["decoder"](other))
    assert min(frames) == max(4 * changed - 3, 0)


@pytest.mark.parametrize(("changed", "first"), [(0, 0), (1, 1), (4, 1), (5, 2), (8, 2), (9, 3)])
def test_the_encoder_is_causal(model: nn.ModuleDict, changed: int, first: int) -> None:
    """The first latent frame has seen the first mel frame alone; each later one four more."""
    mel = drawn("law.causal", 1, 2, 13, 16)
    other = mel.clone()
    other[:, :, changed] += 1
    assert min(moved(model["encode"].encoder(mel), model["encode"].encoder(other))) == first


def test_samples_of_a_batch_do_not_meet(model: nn.ModuleDict) -> None:
    latent = drawn("law.batch", 2, 2, 3, 4)
    together = model["decoder"](latent)
    for sample in range(2):
        assert moved(together[sample : sample + 1], model["decoder"](latent[sample : sample + 1])) == []


def test_tokens_are_channel_major() -> None:
    latent = torch.arange(2 * 3 * 4 * 5.0).view(2, 3, 4, 5)
    tokens = Patchify()(latent)
    assert torch.equal(tokens[1, 2, 2 * 5 + 4], latent[1, 2, 2, 4])
    assert torch.equal(Unpatchify(3)(tokens), latent)


def test_mel_filters_cover_the_spectrum_with_unit_area() -> None:
    weights = MelFilterBank(16000, 1024, 64)(torch.device("cpu"))
    assert weights.shape == (513, 64)
    assert (weights.amax(dim=0) > 0).all()
    # A triangle sampled every 15.6 Hz; the narrowest have few samples.
    areas = weights.sum(dim=0) * 16000 / 1024
    assert torch.allclose(areas[20:], torch.ones(44), atol=0.02)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_resampling_keeps_a_tone(rate: int) -> None:
    """440 Hz at any rate is 440 Hz at 16 kHz, away from the ends, to the ripple of so short a filter."""
    tone = torch.sin(2 * torch.pi * 440 * torch.arange(rate // 10) / rate)[None, None]
    there = Resample(16000)(tone, rate)
    assert there.shape == (1, 1, -(-tone.shape[-1] * 16000 // rate))
    expected = torch.sin(2 * torch.pi * 440 * torch.arange(there.shape[-1]) / 16000)
    assert (there[0, 0] - expected)[100:-100].abs().max() < 5e-3


def test_silence_is_the_floor() -> None:
    mel = LogMelFrontEnd(REAL)(torch.zeros(1, 2, 1600), 16000)
    assert torch.equal(mel, torch.full((1, 2, 11, 64), LOG_FLOOR).log())


def test_the_quiet_passage_is_at_the_floor_in_part(world: World) -> None:
    """Else a floor that is added, or left out, would not show."""
    case = CASES["audio-vae-wave"]
    (forward,) = [f for f in world.forwards(case, torch.float32) if f.name == "wave_16k"]
    log_mel = observe(world.port(case, torch.float32), forward)["audio_vae.wave_16k.front_end.log_mel"]
    share = (log_mel == torch.tensor(LOG_FLOOR).log()).float().mean()
    assert 0.1 < share < 0.9


@pytest.mark.parametrize("half", ["encoder", "decoder"])
def test_every_weight_and_statistic_matters(model: nn.ModuleDict, half: str) -> None:
    """Moved by a tenth of its spread, every tensor moves what its half gives by far more than float32 rounds."""
    module = model["encode"].encoder if half == "encoder" else model["decoder"]
    given = drawn("law.alive", 1, 2, 2, 16 if half == "encoder" else 4)
    before, silent = module(given), []
    for name, tensor in module.state_dict().items():
        kept = tensor.clone()
        tensor.add_(0.1 * kept.std() * torch.linspace(-1, 1, kept.numel()).view_as(kept))
        change = float((module(given) - before).norm() / before.norm())
        tensor.copy_(kept)
        if change < 1e-5:
            silent.append((name, change))
    assert silent == []


@pytest.mark.reference
def test_torchaudio_is_there_with_or_without_its_extension() -> None:
    has = import_module("reference_dumps.official.torchaudio_without_extension").HAS_EXTENSION
    torchaudio = import_module("torchaudio")
    assert torchaudio._extension._IS_TORCHAUDIO_EXT_AVAILABLE is has
    assert torchaudio.functional.resample(torch.ones(1, 100), 48000, 16000).shape == (1, 34)
