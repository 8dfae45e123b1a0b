"""The vocoder: log-mel frames to stereo sound, at the rate of the frames and then at three times that rate."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from ltx_port.checkpoint.audio_config import GeneratorConfig
from parity.ltx23.stage import Setting, Stage, TensorPass
from parity.ltx23.stages.vocoder.cases import VOCODER_CASES
from parity.ltx23.stages.vocoder.faults import FAULTS
from parity.ltx23.stages.vocoder.port import call, load
from parity.taps import Catalogue, TapPlan
from parity.taps.catalogue import Item

_HERE = Path(str(files("parity.ltx23"))) / "stages" / "vocoder"
_TAPS = Catalogue.load(_HERE / "taps.toml")


def plan(forward: TensorPass, setting: Setting) -> TapPlan:
    """Lay out the taps of one pass."""
    config = setting.config.vocoder
    batch, _, frames, _ = forward.working["mel"].shape
    hop, per_frame = config.bwe.hop_length, setting.config.audio_vae.preprocessing.stft.hop_length
    flags = {"one_clip": batch == 1, "cut": frames * per_frame % hop != 0}
    steps = {"step": list(_steps(config.vocoder)), "bwe_step": list(_steps(config.bwe))}
    return _TAPS.expand(forward.name, frozenset(name for name, holds in flags.items() if holds), steps)


def _steps(config: GeneratorConfig) -> Iterator[Item]:
    """Give what a generator does in its order: in each stage a rise in rate, every layer of every block, the mean."""
    stages, kernels = len(config.upsample_rates), len(config.resblock_kernel_sizes)
    for stage in range(stages):
        bind = {"nn": f"{stage:02d}", "stage": str(stage)}
        yield Item(bind, frozenset({"rise"}))
        for kernel, dilations in enumerate(config.resblock_dilation_sizes):
            for layer in range(len(dilations)):
                block = f"resblocks.{stage * kernels + kernel}"
                last = layer == len(dilations) - 1
                # The official sum of a layer shows as what the next one receives.
                total = f"{block}>out" if last else f"{block}.acts1.{layer + 1}>in.x"
                inside = {"kernel": str(kernel), "layer": str(layer), "block": block, "total": total}
                yield Item({**bind, **inside}, frozenset({"layer"}))
        # Likewise the official mean of a stage.
        receiver = "act_post>in.x" if stage == stages - 1 else f"ups.{stage + 1}>in.input"
        yield Item({**bind, "receiver": receiver}, frozenset({"mean"}))


VOCODER = Stage(
    id="vocoder",
    shows="both generators through every layer, to samples within -1 .. 1 at 48 kHz",
    cases=VOCODER_CASES,
    plan=plan,
    load=load,
    call=call,
    official="vocoder",
    budgets=_HERE / "budgets.toml",
    components=("vocoder",),
    faults=tuple(FAULTS),
)
