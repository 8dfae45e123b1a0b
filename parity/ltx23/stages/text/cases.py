"""The probe matrix of the text stage."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from parity.ltx23.stage import Case, Pass, Setting, input_seed
from parity.ltx23.stages.text.passes import Part, TextPass
from parity.ltx23.synthetic.components.text import gemma_layers
from parity.ltx23.synthetic.weights import normal_like

PROMPT = "  A slow camera over the sea; wind, and light music.\n"
NEGATIVE = "blurry, low quality; no music! " * 9 + "over-exposed: 15x"
LONG = "the wind and the sea " * 40
_LENGTH = 128


def _normal(label: str, *shape: int) -> Tensor:
    """Draw numbers of unit variance that bfloat16 holds exactly, so that precisions differ by arithmetic alone."""
    values = normal_like(input_seed(), f"text.{label}", 0, torch.Size(shape).numel(), torch.device("cpu"))
    return values.view(shape).to(torch.bfloat16).float()


def _left_padded(length: int, *texts: int) -> Tensor:
    """Give the mask of prompts with so many tokens each."""
    mask = torch.zeros(len(texts), length, dtype=torch.int64)
    for row, text in enumerate(texts):
        mask[row, length - text :] = 1
    return mask


def _hidden(setting: Setting, label: str, batch: int, length: int) -> Tensor:
    """Draw hidden states whose layers differ in scale, as a model's do, and which hold numbers in the padding too."""
    layers = gemma_layers(setting.config) + 1
    states = _normal(f"{label}.hidden", layers, batch, length, setting.config.transformer.caption_channels)
    scale = torch.tensor([1.0, 3.0, 5.0, 0.5]).repeat(layers)[:layers]
    return (states * scale.view(-1, 1, 1, 1)).to(torch.bfloat16).float()


def _embedding(setting: Setting, name: str, mask: Tensor) -> TextPass:
    states = _hidden(setting, name, *mask.shape)
    return TextPass(name, Part.EMBEDDINGS, states=states, mask=mask)


def _small(setting: Setting) -> list[TextPass]:
    return [_embedding(setting, "pass_hidden", _left_padded(_LENGTH, 37))]


def _paddings(setting: Setting) -> list[TextPass]:
    length = 2 * _LENGTH
    masks = {
        "pass_short": _left_padded(length, 37),
        "pass_full": _left_padded(length, length),
        "pass_one_token": _left_padded(length, 1),
    }
    if setting.release != "1.0.0":
        # Only the sort knows what to do with these.
        masks["pass_batch"] = _left_padded(length, 37, 131)
        masks["pass_padded_behind"] = _left_padded(length, 37).flip(1)
    return [_embedding(setting, name, mask) for name, mask in masks.items()]


def _prompts(setting: Setting) -> list[TextPass]:
    passes = [
        TextPass("pass_prompt", Part.ENCODER, (PROMPT,)),
        TextPass("pass_negative", Part.ENCODER, (NEGATIVE,)),
        TextPass("pass_cut", Part.ENCODER, (LONG,)),
    ]
    if setting.release != "1.0.0":
        passes.append(TextPass("pass_together", Part.ENCODER, (PROMPT, NEGATIVE)))
    return passes


def _unstarted(_: Setting) -> list[TextPass]:
    return [
        TextPass("pass_prompt", Part.ENCODER, (PROMPT,)),
        TextPass("pass_cut", Part.ENCODER, (LONG,)),
    ]


def _features(setting: Setting) -> list[TextPass]:
    # No multiple of the registers is asked for here; at the real width every token is 188,160 numbers.
    mask = _left_padded(12, 9, 4)
    return [TextPass("pass_features", Part.FEATURES, states=_hidden(setting, "features", *mask.shape), mask=mask)]


def _alone(stream: str, length: int = _LENGTH, text: int = 37) -> Callable[[Setting], list[TextPass]]:
    def build(setting: Setting) -> list[TextPass]:
        part = setting.config.transformer
        dim = part.inner_dim if stream == "video" else part.audio_inner_dim
        features = _normal(f"alone.{stream}", 1, length, dim)
        return [TextPass(f"pass_{stream}", Part(stream), states=features, mask=_left_padded(length, text))]

    return build


def _case(identifier: str, guards: str, build: Callable[[Setting], list[TextPass]], **more: Any) -> Case:
    def passes(setting: Setting) -> list[Pass]:
        return [given.to(setting.dtype) for given in build(setting)]

    return Case(identifier, guards, passes, **more)


_NARROW = {
    "attention_head_dim": 4,
    "cross_attention_dim": 16,
    "connector_attention_head_dim": 4,
    "audio_attention_head_dim": 2,
    "audio_cross_attention_dim": 8,
    "audio_connector_attention_head_dim": 2,
}
# What the connectors do not read, and the one that they do.
_ODD = {
    "norm_eps": 1e-4,
    "positional_embedding_theta": 9000.0,
    "positional_embedding_max_pos": [18, 1920, 2000],
    "connector_positional_embedding_max_pos": [3000],
}
# Enough behind Gemma: other cases have more.
_ONE_BLOCK = {"connector_num_layers": 1}


def _edited(edits: dict[str, Any]) -> dict[str, Any]:
    return {f"transformer.{key}": value for key, value in edits.items()}


_REAL: dict[str, Any] = {"config": "ltx-2.3-22b", "dtypes": (torch.bfloat16,), "real_size": True}
TEXT_CASES = (
    _case(
        "text-small",
        "from hidden states to context, narrow enough to be recorded",
        _small,
        config_edits=_edited(_NARROW),
        options={"part": Part.EMBEDDINGS},
        recorded=True,
    ),
    _case(
        "text-paddings",
        "how much is padding: most, all but one token, none; registers used twice",
        _paddings,
        options={"part": Part.EMBEDDINGS},
        drifts=True,
    ),
    _case(
        "text-prompts",
        "from prompts through Gemma to context: stripped, padded in front, cut",
        _prompts,
        config_edits=_edited(_ONE_BLOCK),
        options={"part": Part.ENCODER, "length": _LENGTH},
    ),
    _case(
        "text-no-start",
        "a tokenizer that sets no start token",
        _unstarted,
        config_edits=_edited(_ONE_BLOCK),
        dtypes=(torch.float32,),
        options={"part": Part.ENCODER, "length": _LENGTH, "starts": False},
    ),
    _case(
        "text-features",
        "faults of broadcasting: two samples that differ in everything",
        _features,
        options={"part": Part.FEATURES},
    ),
    _case(
        "text-video-alone",
        "one connector alone, as the cases at real size run it",
        _alone("video"),
        options={"part": Part.VIDEO},
    ),
    _case("text-audio-alone", "the other connector alone", _alone("audio"), options={"part": Part.AUDIO}),
    _case(
        "text-odd-config",
        "constants that no code has as its default, and those that the connectors do not read",
        _small,
        config_edits=_edited(_ODD),
        options={"part": Part.EMBEDDINGS},
    ),
    _case(
        "text-real-features",
        "188,160 channels into 4,096 and 2,048: what a reduction does only at width",
        _features,
        components=("text_projection",),
        options={"part": Part.FEATURES},
        **_REAL,
    ),
    _case(
        "text-real-video",
        "the video connector at its real width and depth",
        _alone("video"),
        components=("video_connector",),
        options={"part": Part.VIDEO},
        **_REAL,
    ),
    _case(
        "text-real-audio",
        "the audio connector at its real width and depth",
        _alone("audio"),
        components=("audio_connector",),
        options={"part": Part.AUDIO},
        **_REAL,
    ),
    *(
        _case(
            f"text-full-{stream}",
            f"the {stream} connector over the 1,024 tokens of a prompt, of which 211 are text",
            _alone(stream, 1024, 211),
            components=(f"{stream}_connector",),
            options={"part": part},
            thorough=True,
            **_REAL,
        )
        for stream, part in (("video", Part.VIDEO), ("audio", Part.AUDIO))
    ),
)
