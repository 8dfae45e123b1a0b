"""The weights that the official builder makes from LoRA files are those that the port loads."""

import pytest
import torch

from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from ltx_port.checkpoint.load import load_transformer
from parity.ltx23.stages import CASES
from parity.ltx23.world import World

CASE = CASES["lora-many"]


@pytest.fixture(scope="module")
def world():
    with World() as world:
        yield world


@pytest.mark.reference
def test_the_reference_changes_every_layer_that_the_port_changes_and_no_other(world: World) -> None:
    """Not only equal to each other: both are the checkpoint's weights elsewhere, and others where a LoRA is."""
    root = world.official(CASE, torch.bfloat16).root
    checkpoint, names = CheckpointFile.open(world.checkpoint(CASE)), TransformerKeyMap(1)
    plain = load_transformer(checkpoint, torch.device("cpu"), torch.bfloat16).state_dict()
    official = root.loaded.transformer.state_dict()
    changed = {
        name
        for name, tensor in official.items()
        if not torch.equal(tensor, plain[names.to_port(TRANSFORMER_PREFIX + name)])
    }
    assert changed == {f"{layer}.weight" for adapter in CASE.options["adapters"] for layer in adapter.layers}


def test_every_lora_and_its_strength_matter(world: World) -> None:
    fusion = world.port(CASE, torch.bfloat16).root.fusion
    key = fusion.fused[0]
    whole = fusion.read(key, "cpu", torch.bfloat16)
    loras = fusion._sources[key]
    for number, lora in enumerate(loras):
        fusion._sources[key] = loras[:number] + loras[number + 1 :]
        without = fusion.read(key, "cpu", torch.bfloat16)
        # One of them is at strength 0, and is there all the same.
        assert torch.equal(whole, without) == (lora.strength == 0)
    fusion._sources[key] = loras
