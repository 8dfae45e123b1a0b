"""The names of the upsampler's tensors: here, and in its file."""

import re

STATISTICS_PREFIX = "vae.per_channel_statistics."
STATISTICS = {
    "mean": f"{STATISTICS_PREFIX}mean-of-means",
    "std": f"{STATISTICS_PREFIX}std-of-means",
}

_PARTS = {
    "conv_in": "initial_conv",
    "norm_in": "initial_norm",
    "before": "res_blocks",
    "enlarge.conv": "upsampler.0",
    "after": "post_upsample_res_blocks",
    "conv_out": "final_conv",
}
_INSIDE = {"conv_in": "conv1", "norm_in": "norm1", "conv_out": "conv2", "norm_out": "norm2"}
_OWN = re.compile(rf"(?P<part>{'|'.join(map(re.escape, _PARTS))})(\.(?P<block>\d+)\.(?P<inside>\w+))?\.(?P<leaf>\w+)")


def official_key(own: str) -> str:
    """Give the key in the upsampler's file of a tensor of LatentUpsampler."""
    match = _OWN.fullmatch(own)
    assert match is not None, f"{own}: no such tensor in the upsampler"
    inside = f".{match['block']}.{_INSIDE[match['inside']]}" if match["block"] else ""
    return f"{_PARTS[match['part']]}{inside}.{match['leaf']}"
