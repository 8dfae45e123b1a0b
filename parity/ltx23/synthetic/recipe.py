"""How each tensor of a synthetic checkpoint is filled, so that a fault in the use of any of them shows.

Near-zero random weights hide faults: softmax goes uniform, and a wrong rotation then changes nothing. So
weights are scaled by their fan-in, which keeps activations and attention logits near a deviation of 1, norms
scatter around 1, and no table, gate or bias is small enough to be dropped unseen.
"""

import math
import re
from dataclasses import dataclass

from parity.errors import BadInputError

RECIPE_VERSION = 1
"""Changes whenever a fill below does; a written checkpoint carries it."""

_NORM_SPREAD = 0.1
_TABLE_SPREAD = 0.3
# At 0.02, as the official drive script has it, a dropped bias moves an activation by less than the tolerance
# that bfloat16 needs; at 0.1 it cannot.
_BIAS_SPREAD = 0.1

_PREFIX = r"model\.diffusion_model\.(transformer_blocks\.\d+\.)?"
_ATTENTION = r"(audio_)?attn[12]|audio_to_video_attn|video_to_audio_attn"
_AV_ADALN = "av_ca_(video_scale_shift|audio_scale_shift|a2v_gate|v2a_gate)_adaln_single"
_ADALN = rf"((audio_)?(prompt_)?adaln_single|{_AV_ADALN})"
_LINEAR = (
    rf"({_ATTENTION})\.(to_q|to_k|to_v|to_out\.0|to_gate_logits)"
    r"|(audio_)?ff\.net\.(0\.proj|2)"
    r"|(audio_)?(patchify_proj|proj_out)"
    rf"|{_ADALN}\.(emb\.timestep_embedder\.linear_[12]|linear)"
)
_NORM_WEIGHT = re.compile(rf"{_PREFIX}({_ATTENTION})\.[qk]_norm\.weight")
_TABLE = re.compile(rf"{_PREFIX}(audio_)?(prompt_)?scale_shift_table(_a2v_ca_(audio|video))?")
_BIAS = re.compile(rf"{_PREFIX}({_LINEAR})\.bias")
_MATRIX = re.compile(rf"{_PREFIX}({_LINEAR})\.weight")


@dataclass(frozen=True)
class Recipe:
    """`offset + scale * r`, with r of mean 0 and deviation 1; `kind` says what the tensor is to the model."""

    kind: str
    offset: float
    scale: float

    @property
    def is_matrix(self) -> bool:
        """Whether the tensor is [outputs, inputs], so that its rows are output channels."""
        return self.kind == "matrix"


def recipe_for(key: str, shape: tuple[int, ...]) -> Recipe:
    """Choose the fill of the tensor with an official key; BadInputError for a key or a rank not known."""
    rank = len(shape)
    if rank == 1 and _NORM_WEIGHT.fullmatch(key):
        return Recipe("norm", 1.0, _NORM_SPREAD)
    if rank == 1 and _BIAS.fullmatch(key):
        return Recipe("bias", 0.0, _BIAS_SPREAD)
    if rank == 2 and _TABLE.fullmatch(key):
        return Recipe("table", 0.0, _TABLE_SPREAD)
    if rank == 2 and _MATRIX.fullmatch(key):
        # Gate logits too: their input is normalised, so that fan-in scaling spreads them by about 1.
        return Recipe("matrix", 0.0, 1 / math.sqrt(shape[1]))
    got, expected = f"no recipe for shape {list(shape)}", "a transformer key of the official format"
    raise BadInputError(f"synthetic tensor {key!r}", got, expected, "write a recipe for this kind of tensor")
