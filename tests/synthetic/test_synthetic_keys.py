"""The keys by rule are the keys of the released file; every one of them has a recipe."""

import json
from pathlib import Path

import pytest

from ltx_port.checkpoint.config import parse_config
from parity.errors import BadInputError
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.components import checkpoint_shapes, parameter_count, recipe_for

EXPECTED = json.loads((Path(__file__).parent.parent / "data" / "transformer_keys.json").read_text())
REAL = parse_config(config_text("ltx-2.3-22b"), "real")
TINY = parse_config(config_text("tiny"), "tiny")


def _released() -> dict[str, tuple[int, ...]]:
    prefix, blocks = EXPECTED["prefix"], range(EXPECTED["num_blocks"])
    rows = {prefix + key: tuple(shape) for key, shape in EXPECTED["ends"].items()}
    for index in blocks:
        rows |= {f"{prefix}transformer_blocks.{index}.{key}": tuple(shape) for key, shape in EXPECTED["block"].items()}
    return rows


def test_the_keys_and_shapes_are_those_of_the_released_file():
    shapes, released = checkpoint_shapes(REAL, ["transformer"]), _released()
    assert shapes.keys() - released.keys() == set()
    assert released.keys() - shapes.keys() == set()
    assert shapes == released
    assert len(shapes) == EXPECTED["tensors"] == 4186


def test_the_transformer_has_the_released_number_of_parameters():
    assert parameter_count(checkpoint_shapes(REAL, ["transformer"])) == 18_988_838_144


def test_a_block_has_the_released_number_of_parameters():
    block = {
        key: shape for key, shape in checkpoint_shapes(REAL, ["transformer"]).items() if ".transformer_blocks.7." in key
    }
    assert parameter_count(block) == 386_695_360


def test_the_tiny_configuration_has_the_same_keys_with_fewer_blocks():
    tiny, released = checkpoint_shapes(TINY, ["transformer"]), _released()
    assert tiny.keys() == {key for key in released if ".transformer_blocks." not in key or _block(key) < 4}


def _block(key: str) -> int:
    return int(key.split("transformer_blocks.")[1].split(".")[0])


def test_a_component_that_cannot_be_written_is_refused():
    with pytest.raises(BadInputError, match="components: 'no_such'; expected some of transformer"):
        checkpoint_shapes(REAL, ["transformer", "no_such"])


@pytest.mark.parametrize("components", [[], ["transformer", "transformer"]])
def test_no_component_and_the_same_component_twice_are_refused(components):
    with pytest.raises(BadInputError, match="components"):
        checkpoint_shapes(TINY, components)


def test_every_key_of_the_released_file_has_a_recipe_of_its_kind():
    kinds = {"norm": 0, "bias": 0, "table": 0, "matrix": 0}
    for key, shape in _released().items():
        kinds[recipe_for(key, shape).kind] += 1
    # A block has 6 attentions of 5 linear layers and 2 norms, 2 feed-forwards of 2 layers, and 6 tables.
    assert kinds == {"norm": 48 * 12, "bias": 48 * 34 + 28, "table": 48 * 6 + 2, "matrix": 48 * 34 + 28}


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("model.diffusion_model.something_new.weight", (4, 4)),
        ("model.diffusion_model.transformer_blocks.0.attn3.to_q.weight", (4, 4)),
        ("model.diffusion_model.transformer_blocks.0.attn1.to_q.weight.extra", (4, 4)),
        ("model.diffusion_model.transformer_blocks.0.attn1.to_q.weight", (4,)),
        ("model.diffusion_model.transformer_blocks.0.attn1.q_norm.weight", (4, 4)),
        ("model.diffusion_model.transformer_blocks.0.attn1.q_norm.bias", (4,)),
        ("model.diffusion_model.scale_shift_table", (4,)),
        ("other.model.diffusion_model.proj_out.weight", (4, 4)),
        ("vocoder.conv_pre.weight", (4, 4, 3)),
        ("", ()),
    ],
)
def test_a_key_or_a_rank_that_is_not_known_has_no_recipe(key, shape):
    with pytest.raises(BadInputError, match="no recipe"):
        recipe_for(key, shape)
