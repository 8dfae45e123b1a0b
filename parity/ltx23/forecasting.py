"""What forecasts and trajectories of LTX-2.3 run: a tiny generation from embedded text, in any numerics."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ltx_port.audio_vae import load_audio_decoder
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.load import load_transformer
from ltx_port.denoise import LTX_2_3, ShiftedSchedule
from ltx_port.latents import AudioPositions, Clip, VideoPositions
from ltx_port.release import NEWEST, Release, release_named
from ltx_port.transformer import DenoisedPrediction
from ltx_port.video_vae.load import load_video_decoder
from ltx_port.vocoder import SoundDecoder
from ltx_port.vocoder.load import load_vocoder
from parity.chain import Chain, ChainRequest, State
from parity.errors import BadInputError
from parity.ltx23.generation_chain import GenerationLinks, Request
from parity.ltx23.numerics import TRUTH, Parts, numerics_named
from parity.ltx23.refusals import refusals
from parity.ltx23.stage import SEED, Case
from parity.ltx23.synthetic.weights import normal_like
from parity.ltx23.world import World

# Two latent frames of 2x3, and 9 of sound: small, since the vocoder takes most of the time.
CLIP = Clip(frames=9, height=64, width=96, fps=24.0)
TEXT_TOKENS = 16
GENERATION = Case(
    "generation",
    "the whole run from embedded text",
    lambda _: (),
    config="tiny-pipeline",
    components=("transformer", "audio_decoder", "video_decoder", "vocoder"),
)


@dataclass
class Generations:
    """The chains of one request; models are loaded when first asked for."""

    world: World
    request: ChainRequest
    release: Release
    case: Case
    truth: str = TRUTH
    _chains: dict[str, Chain] = field(default_factory=dict)

    def chain(self, numerics: str) -> Chain:
        """Give the chain in these numerics; BadInputError for a name that is not known."""
        if numerics not in self._chains:
            variant = numerics_named(numerics)
            parts = self.parts(variant.dtype)
            variant.plant(parts)
            blocks = len(parts.model.transformer.blocks)
            # The block that the defaults leave out for a worse prediction, or the last one there is.
            skipped = tuple(min(block, blocks - 1) for block in LTX_2_3.video.stg_blocks or ())
            video, audio = (replace(scales, stg_blocks=skipped) for scales in (LTX_2_3.video, LTX_2_3.audio))
            with refusals():
                sigmas = ShiftedSchedule()(self.request.steps).to(self.world.device)
            request = Request(CLIP, sigmas, (video, audio))
            self._chains[numerics] = _without_gradients(GenerationLinks(parts, variant.dtype, request).chain(numerics))
        return self._chains[numerics]

    def parts(self, dtype: torch.dtype) -> Parts:
        """Load the port in a precision, with nothing planted in it."""
        device, release = self.world.device, self.release
        with refusals():
            checkpoint = CheckpointFile.open(self.world.checkpoint(self.case))
            return Parts(
                DenoisedPrediction(load_transformer(checkpoint, device, dtype, release)),
                load_video_decoder(checkpoint, device, dtype, release),
                load_audio_decoder(checkpoint, device, dtype),
                SoundDecoder(load_vocoder(checkpoint, device, dtype, release)),
                release,
            )

    def start(self, seed: int) -> State:
        """Give noise and embedded text in numbers that bfloat16 holds, so that precisions start from the same ones."""
        config = CheckpointFile.open(self.world.checkpoint(self.case)).config.transformer
        device, found = self.world.device, {}
        sizes = {
            "video": (CLIP.video.tokens, config.in_channels, config.cross_attention_dim),
            "audio": (CLIP.audio.tokens, config.resolved_audio_in_channels, config.audio_cross_attention_dim),
        }
        for stream, (tokens, channels, width) in sizes.items():
            found[f"{stream}.latent"] = _drawn(seed, f"{stream}.latent", tokens, channels)
            for text in ("text", "negative_text"):
                found[f"{stream}.{text}"] = _drawn(seed, f"{stream}.{text}", TEXT_TOKENS, width)
        found["video.positions"] = VideoPositions(NEWEST)(CLIP.video, CLIP.fps, torch.float32, torch.device("cpu"))
        found["audio.positions"] = AudioPositions()(CLIP.audio, torch.device("cpu"))
        return {key: tensor.to(device) for key, tensor in found.items()}


def _drawn(seed: int, label: str, tokens: int, width: int) -> Tensor:
    flat = normal_like(SEED + seed, f"generation.{label}", 0, tokens * width, torch.device("cpu"))
    return flat.view(1, tokens, width).to(torch.bfloat16).float()


def _without_gradients(chain: Chain) -> Chain:
    return replace(chain, links=tuple(replace(link, forward=torch.no_grad()(link.forward)) for link in chain.links))


@contextmanager
def open_generations(request: ChainRequest) -> Iterator[Generations]:
    """Give the chains of a request while the block lasts; BadInputError for a request that cannot be run."""
    if request.steps < 2:
        raise BadInputError("steps", f"{request.steps}", "two or more", "ask for more")
    with refusals():
        release = NEWEST if request.release is None else release_named(request.release)
    try:
        device = torch.device(request.device)
    except RuntimeError:
        raise BadInputError(f"device {request.device!r}", "unknown", "cpu or cuda", "choose one") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        got = "torch sees no CUDA device"
        raise BadInputError(f"device {request.device!r}", got, "a CUDA device", "use --device cpu")
    with World(device, release=release.name) as world:
        yield Generations(world, request, release, replace(GENERATION, layers=request.blocks))
