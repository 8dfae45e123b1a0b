"""The names of the audio autoencoder's tensors: here, and in the official checkpoint."""

import re

STATISTICS_PREFIX = "audio_vae.per_channel_statistics."

# What is called otherwise there, in the order in which it is replaced.
_STATISTICS = {"mean": "mean-of-means", "std": "std-of-means"}
_INSIDE_BLOCK = {"conv_in.": "conv1.", "conv_out.": "conv2.", "shortcut.": "nin_shortcut.conv."}
_BLOCK = re.compile(r"(?P<path>(?:up|down)\.\d+\.)blocks\.(?P<block>\d+)\.|mid\.(?P<mid>\d+)\.")


def official_key(prefix: str, name: str) -> str:
    """Give the checkpoint's key of a tensor of the half whose keys begin with `prefix`."""
    owner, _, last = name.rpartition(".")
    if owner in ("normalize", "unnormalize"):
        return STATISTICS_PREFIX + _STATISTICS[last]
    block = _BLOCK.match(name)
    if block is None:
        return prefix + name
    inside = name[block.end() :]
    for here, there in _INSIDE_BLOCK.items():
        if inside.startswith(here):
            inside = there + inside.removeprefix(here)
            break
    if block["mid"] is not None:
        return f"{prefix}mid.block_{int(block['mid']) + 1}.{inside}"
    return f"{prefix}{block['path']}block.{block['block']}.{inside}"
