"""Where the tensors of the video encoder and decoder are kept in a checkpoint."""

from collections.abc import Iterable, Iterator

from ltx_port.checkpoint.strict import Part

PREFIX = "vae."
_STATISTICS = {"mean": "mean-of-means", "std": "std-of-means"}


def encoder_part(paths: Iterable[tuple[str, str]]) -> Part:
    """Give the encoder's part of a file from its `key_paths`."""
    return _part("video encoder", "encoder", "normalize", paths)


def decoder_part(paths: Iterable[tuple[str, str]]) -> Part:
    """Give the decoder's part of a file from its `key_paths`."""
    return _part("video decoder", "decoder", "unnormalize", paths)


def _part(name: str, half: str, statistics: str, paths: Iterable[tuple[str, str]]) -> Part:
    # Both halves read the one pair of statistics that the file has.
    keys = dict(_pairs(f"{PREFIX}{half}.", paths))
    keys |= {f"{statistics}.{here}": f"{PREFIX}per_channel_statistics.{there}" for here, there in _STATISTICS.items()}
    return Part(name, keys, (f"{PREFIX}{half}.", f"{PREFIX}per_channel_statistics."))


def _pairs(prefix: str, paths: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    for here, there in paths:
        for tensor in ("weight", "bias"):
            yield f"{here}.{tensor}", f"{prefix}{there}.{tensor}"
