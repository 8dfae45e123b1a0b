"""Single modules of the port beside the live official ones, through the fixture that any project can use."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from ltx_port.transformer.rope import RotaryTable
from parity.ltx23.stages import CASES
from parity.ltx23.world import World
from parity.pytest_plugin import Comparer

pytestmark = pytest.mark.reference
DTYPES = [torch.float64, torch.float32, torch.bfloat16]
SMALL = CASES["small"]
# The port's attention, the official one, widths of queries and context, channels rotated in each half of a head.
ATTENTIONS = {
    "video self": ("video.self_attn.attn", "attn1", 64, 64, 8),
    "video text": ("video.text_cross.attn", "attn2", 64, 64, None),
    "audio self": ("audio.self_attn.attn", "audio_attn1", 32, 32, 4),
    "audio text": ("audio.text_cross.attn", "audio_attn2", 32, 32, None),
    "audio to video": ("av_cross.audio_to_video.attn", "audio_to_video_attn", 64, 32, 4),
    "video to audio": ("av_cross.video_to_audio.attn", "video_to_audio_attn", 32, 64, 4),
}


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with World() as made:
        yield made


def blocks(world: World, dtype: torch.dtype) -> tuple[nn.Module, nn.Module]:
    port = world.port(SMALL, dtype).root.get_submodule("transformer.blocks.0")
    return port, world.official(SMALL, dtype).root.get_submodule("velocity_model.transformer_blocks.0")


def normal(seed: int, *shape: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def rotation(seed: int, tokens: int, pairs: int, dtype: torch.dtype) -> RotaryTable:
    angles = normal(seed, 2, 4, tokens, pairs, dtype=torch.float32)
    return RotaryTable(cos=angles.cos().to(dtype), sin=angles.sin().to(dtype))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", ATTENTIONS)
def test_each_attention_stands_alone(parity: Comparer, world: World, name: str, dtype: torch.dtype) -> None:
    ours, theirs, query_dim, context_dim, pairs = ATTENTIONS[name]
    port, official = blocks(world, dtype)
    x, context = normal(1, 2, 5, query_dim, dtype=dtype), normal(2, 2, 7, context_dim, dtype=dtype)
    bias = normal(3, 2, 1, 5, 7, dtype=dtype)
    own: dict[str, object] = {"bias": bias}
    other: dict[str, object] = {"mask": bias}
    if pairs is not None:
        queries, keys = rotation(4, 5, pairs, dtype), rotation(5, 7, pairs, dtype)
        own["rope"] = (queries, keys)
        other |= {"pe": tuple(queries), "k_pe": tuple(keys)}
    parity.compare(
        port.get_submodule(ours),
        official.get_submodule(theirs),
        inputs={"candidate": ((x, context), own), "reference": ((x, context), other)},
        taps={
            "q_norm": ("q_norm>out", "q_norm>out"),
            "k_norm": ("k_norm>out", "k_norm>out"),
            "gated": ("head_gate>out", "to_out.0>in.input"),
            "out": (">out", ">out"),
        },
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(
    ("ours", "theirs", "dim"), [("video.feed_forward.ff", "ff", 64), ("audio.feed_forward.ff", "audio_ff", 32)]
)
def test_each_feed_forward_stands_alone(
    parity: Comparer, world: World, ours: str, theirs: str, dim: int, dtype: torch.dtype
) -> None:
    port, official = blocks(world, dtype)
    parity.compare(
        port.get_submodule(ours),
        official.get_submodule(theirs),
        inputs=((normal(4, 2, 5, dim, dtype=dtype),), {}),
        taps={"activation": ("activation>out", "net.0>out"), "out": (">out", ">out")},
    )


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_timestep_embeddings_stand_alone(parity: Comparer, world: World, dtype: torch.dtype) -> None:
    port, official = world.port(SMALL, dtype).root, world.official(SMALL, dtype).root
    timesteps = torch.tensor([0.0, 0.35, 421.875, 999.9])
    parity.compare(
        port.get_submodule("transformer.video.timestep_adaln"),
        official.get_submodule("velocity_model.adaln_single"),
        inputs={"candidate": ((timesteps, dtype), {}), "reference": ((timesteps,), {"hidden_dtype": dtype})},
        taps={
            "sinusoid": ("sinusoid>out", "emb.time_proj>out"),
            "rows": (">out.0", ">out.0"),
            "embedding": (">out.1", ">out.1"),
        },
    )
