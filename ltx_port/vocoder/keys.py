"""The names of the vocoder's tensors: here, and in the official checkpoint."""

from collections.abc import Iterator

from ltx_port.checkpoint.audio_config import GeneratorConfig, VocoderConfig

PREFIX = "vocoder."

_Pairs = Iterator[tuple[str, str]]


def vocoder_keys(config: VocoderConfig) -> dict[str, str]:
    """Map every tensor of the port, parameters and stored buffers, to its key in the checkpoint."""
    pairs = [
        *_generator("generator", f"{PREFIX}vocoder", config.vocoder),
        *_generator("extension.generator", f"{PREFIX}bwe_generator", config.bwe),
        ("extension.log_mel.project.basis", f"{PREFIX}mel_stft.mel_basis"),
        ("extension.log_mel.transform.forward_basis", f"{PREFIX}mel_stft.stft_fn.forward_basis"),
        ("extension.log_mel.transform.inverse_basis", f"{PREFIX}mel_stft.stft_fn.inverse_basis"),
    ]
    found = dict(pairs)
    assert len(set(found.values())) == len(found), "two tensors of the port share one official key"
    return found


def _generator(here: str, there: str, config: GeneratorConfig) -> _Pairs:
    yield from _layer(f"{here}.conv_in", f"{there}.conv_pre")
    for stage in range(len(config.upsample_rates)):
        yield from _layer(f"{here}.stages.{stage}.upsample", f"{there}.ups.{stage}")
        for kernel, dilations in enumerate(config.resblock_dilation_sizes):
            # The official blocks stand in one row, all kernel sizes of a stage side by side.
            block = stage * len(config.resblock_kernel_sizes) + kernel
            for layer in range(len(dilations)):
                inside = f"{here}.stages.{stage}.blocks.{kernel}.layers.{layer}"
                yield from _amp_layer(inside, f"{there}.resblocks.{block}", layer)
    yield from _snake(f"{here}.activation", f"{there}.act_post")
    yield f"{here}.conv_out.weight", f"{there}.conv_post.weight"


def _amp_layer(here: str, there: str, layer: int) -> _Pairs:
    yield from _snake(f"{here}.snake_in", f"{there}.acts1.{layer}")
    yield from _layer(f"{here}.dilated", f"{there}.convs1.{layer}")
    yield from _snake(f"{here}.snake_out", f"{there}.acts2.{layer}")
    yield from _layer(f"{here}.plain", f"{there}.convs2.{layer}")


def _snake(here: str, there: str) -> _Pairs:
    yield f"{here}.upsample.filter", f"{there}.upsample.filter"
    yield f"{here}.snake.alpha", f"{there}.act.alpha"
    yield f"{here}.snake.beta", f"{there}.act.beta"
    yield f"{here}.downsample.filter", f"{there}.downsample.lowpass.filter"


def _layer(here: str, there: str) -> _Pairs:
    yield f"{here}.weight", f"{there}.weight"
    yield f"{here}.bias", f"{there}.bias"
