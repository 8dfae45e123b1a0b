"""The chain of a generation is the port's pipeline, and its drift is forecast from its links."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from ltx_port.denoise import EulerLoop, GuidedDenoiser, GuidedRun, NoisyStream, ShiftedSchedule, Text
from ltx_port.denoise.defaults import LTX_2_3
from ltx_port.denoise.denoiser import Guidance, Pair
from ltx_port.latents import UnpatchifyAudio, UnpatchifyVideo
from ltx_port.transformer.feed_forward import FeedForward
from ltx_port.transformer.rope import FrequencyGrid
from ltx_port.video_vae.frames import ToFrames
from parity.chain import Chain, ChainRequest, OutcomeKind, State
from parity.errors import BadInputError
from parity.forecast import Plan, check, forecast
from parity.ltx23.forecasting import CLIP, Generations, open_generations
from parity.ltx23.numerics import TRUTH, VARIANTS, Parts, rounded_output, rounded_weights
from parity.trajectory import follow

STEPS = 2
SIGMAS = ShiftedSchedule()(STEPS)


@pytest.fixture(scope="module")
def newest() -> Iterator[Generations]:
    with open_generations(ChainRequest(STEPS)) as found:
        yield found


def assembled(parts: Parts, start: State, dtype: torch.dtype) -> dict[str, Tensor]:
    """Run the port's own denoiser, loop and decoders."""
    release = parts.release
    given = {key: x if "positions" in key else x.to(dtype) for key, x in start.items()}
    if not release.video_positions_float32:
        given["video.positions"] = given["video.positions"].to(dtype)

    def stream(name: str) -> NoisyStream:
        latent = given[f"{name}.latent"]
        mask = torch.ones(1, latent.shape[1], 1)
        return NoisyStream(latent, torch.zeros_like(latent), mask, given[f"{name}.positions"])

    blocks = len(parts.model.transformer.blocks)
    video, audio = (replace(scales, stg_blocks=(blocks - 1,)) for scales in (LTX_2_3.video, LTX_2_3.audio))
    guidance = Guidance(video, audio, Text(given["video.negative_text"], given["audio.negative_text"]))
    run = GuidedRun(GuidedDenoiser(parts.model, release), Text(given["video.text"], given["audio.text"]), guidance)
    found = EulerLoop()(run, SIGMAS, Pair(stream("video"), stream("audio")))
    pixels = parts.video(UnpatchifyVideo()(found.video.latent, CLIP.video))
    sound = parts.sound(parts.audio(UnpatchifyAudio()(found.audio.latent, CLIP.audio)))
    return {
        "video.latent": found.video.latent,
        "audio.latent": found.audio.latent,
        "frames": ToFrames(as_bytes=False)(pixels),
        "waveform": sound.waveform,
    }


@pytest.mark.parametrize(("release", "numerics"), [("1.2.0", TRUTH), ("1.2.0", "bf16"), ("1.0.0", "bf16")])
def test_the_chain_has_the_bits_of_the_assembled_port(release: str, numerics: str) -> None:
    dtype = VARIANTS[numerics].dtype
    with torch.no_grad(), open_generations(ChainRequest(STEPS, release=release)) as generations:
        expected = assembled(generations.parts(dtype), generations.start(3), dtype)
        found = generations.chain(numerics).run(generations.start(3))
    assert {key: tensor.dtype for key, tensor in found.items()} == dict.fromkeys(expected, torch.float32)
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor.float()), key


def without_decoders(chain: Chain) -> Chain:
    """The vocoder takes most of the time, and its own tests."""
    links = tuple(link for link in chain.links if link.step is not None)
    return replace(chain, links=links, outcomes=tuple(o for o in chain.outcomes if o.kind is OutcomeKind.LATENT))


@pytest.mark.parametrize("numerics", ["bf16", "ff-fp8"])
def test_the_drift_of_the_latents_is_forecast_within_a_factor_of_two(newest: Generations, numerics: str) -> None:
    truth, own = (without_decoders(newest.chain(name)) for name in (TRUTH, numerics))
    made = forecast(truth, own, Plan({100: newest.start(100)}, 1))
    checked = check((truth, own), made, ([0], newest.start))
    assert [one.outcome for one in checked] == ["video.latent", "audio.latent"]
    assert all(one.holds and one.predicted > 1e-3 for one in checked), checked
    erring = {component.component for component in made.components if component.local > 0}
    blocks = {"block00", "block01"}
    assert erring == (blocks if numerics != "bf16" else blocks | {"entry", "head", "guidance", "euler"})


def test_guidance_has_the_weights_of_its_three_terms(newest: Generations) -> None:
    """Before the contrast is brought back, cond 1 + 2 + 1 + 2, and what each pushes away from, for video."""
    chain = newest.chain(TRUTH)
    (visit,) = [visit for visit in chain.walk(newest.start(0)) if visit.link.name == "step00.guidance"]
    assert visit.link.combines is not None
    for stream, (cfg, stg, modality) in {"video": (3.0, 1.0, 3.0), "audio": (7.0, 1.0, 3.0)}.items():
        weights = visit.link.combines(visit.before)[f"{stream}.x0"]
        assert next(iter(weights)) == f"conditioned.{stream}.x0"
        negative = weights[f"negative.{stream}.x0"]
        factor = -negative / (cfg - 1)
        assert weights[f"perturbed.{stream}.x0"] == pytest.approx(-stg * factor)
        assert weights[f"isolated.{stream}.x0"] == pytest.approx(-(modality - 1) * factor)
        assert sum(weights.values()) == pytest.approx(factor)
        combined = sum(weight * visit.before[part] for part, weight in weights.items())
        torch.testing.assert_close(combined, visit.given[f"{stream}.x0"], rtol=1e-4, atol=1e-5)


def test_the_reset_test_tells_the_birth_of_rounding(newest: Generations) -> None:
    """Guidance of the first step amplifies; the chained error of the first step is its local one."""
    truth, own = (without_decoders(newest.chain(name)) for name in (TRUTH, "bf16"))
    found = follow(truth, own, newest.start(0))
    assert [(one.step, one.tensor) for one in found.steps[:2]] == [(0, "audio.latent"), (0, "video.latent")]
    assert all(one.chained == one.local for one in found.steps if one.step == 0)
    assert all(one.chained is not None and one.chained > 1.5 for one in found.guidance if one.step == 0)
    assert found.suspects() == ()


def test_a_seed_is_another_start(newest: Generations) -> None:
    one, again, other = newest.start(0), newest.start(0), newest.start(1)
    assert all(torch.equal(one[key], again[key]) for key in one)
    assert [key for key in one if torch.equal(one[key], other[key])] == ["video.positions", "audio.positions"]
    assert torch.equal(one["video.latent"], one["video.latent"].to(torch.bfloat16).float())


def test_numerics_round_what_they_say(newest: Generations) -> None:
    parts = newest.parts(torch.float32)
    layer = next(module for module in parts.modules() if isinstance(module, FeedForward)).up
    others = next(iter(parts.model.transformer.blocks)).video.self_attn.attn.to_q.weight.clone()
    before = layer.weight.data.clone()
    rounded_weights(FeedForward, torch.float8_e4m3fn)(parts)
    scale = before.abs().max() / 448
    assert torch.equal(layer.weight.data, (before / scale).to(torch.float8_e4m3fn).float() * scale)
    assert not torch.equal(layer.weight.data, before)
    assert torch.equal(next(iter(parts.model.transformer.blocks)).video.self_attn.attn.to_q.weight, others)
    grid = next(module for module in parts.modules() if isinstance(module, FrequencyGrid))
    exact = grid(torch.device("cpu"))
    rounded_output(FrequencyGrid, torch.bfloat16)(parts)
    assert torch.equal(grid(torch.device("cpu")), exact.to(torch.bfloat16).float())


def test_every_variant_differs_from_the_truth(newest: Generations) -> None:
    truth = without_decoders(newest.chain(TRUTH)).run(newest.start(0))["video.latent"]
    for numerics in VARIANTS:
        found = without_decoders(newest.chain(numerics)).run(newest.start(0))["video.latent"]
        assert torch.equal(found, truth) == (numerics == TRUTH), numerics


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (ChainRequest(1), "steps"),
        (ChainRequest(4, release="0.9"), "release '0.9'"),
        (ChainRequest(4, device="tpu"), "device 'tpu'"),
    ],
)
def test_what_cannot_be_run_is_refused(request_: ChainRequest, told: str) -> None:
    with pytest.raises(BadInputError, match=told), open_generations(request_):
        pass


def test_a_chain_follows_the_positions_that_it_is_given(newest: Generations) -> None:
    """Its conditioning is kept from link to link, and made anew for another run."""
    chain = without_decoders(newest.chain(TRUTH))
    start = newest.start(0)
    later = {**start, "video.positions": start["video.positions"] + 1.5}
    before, moved = chain.run(start), chain.run(later)
    assert not torch.equal(before["video.latent"], moved["video.latent"])
    assert torch.equal(chain.run(start)["video.latent"], before["video.latent"])


def test_a_chain_has_as_many_blocks_as_asked_for() -> None:
    with open_generations(ChainRequest(STEPS, blocks=3)) as found:
        components = found.chain(TRUTH).components
    assert components[:5] == ("entry", "block00", "block01", "block02", "head")


def test_unknown_numerics_are_refused(newest: Generations) -> None:
    with pytest.raises(BadInputError, match="numerics 'fp4'"):
        newest.chain("fp4")
