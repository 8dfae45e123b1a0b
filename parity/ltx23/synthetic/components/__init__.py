"""The components that can be written into a synthetic checkpoint, in file order."""

import math
from collections.abc import Iterable

from ltx_port.checkpoint.config import CheckpointConfig
from parity.errors import BadInputError
from parity.ltx23.synthetic.components.audio_vae import AUDIO_DECODER, AUDIO_ENCODER
from parity.ltx23.synthetic.components.lora import lora_recipe
from parity.ltx23.synthetic.components.text import TEXT_COMPONENTS
from parity.ltx23.synthetic.components.transformer import TRANSFORMER
from parity.ltx23.synthetic.components.upsampler import VIDEO_STATISTICS, upsampler_recipe
from parity.ltx23.synthetic.components.video_vae import VIDEO_DECODER, VIDEO_ENCODER
from parity.ltx23.synthetic.components.vocoder import VOCODER
from parity.ltx23.synthetic.recipe import Component, Recipe, Shape

COMPONENTS: dict[str, Component] = {
    component.name: component
    for component in (
        TRANSFORMER,
        *TEXT_COMPONENTS,
        AUDIO_ENCODER,
        AUDIO_DECODER,
        VIDEO_ENCODER,
        VIDEO_DECODER,
        VIDEO_STATISTICS,
        VOCODER,
    )
}
# The upsampler and LoRAs have files of their own.
_RECIPES = (*(component.recipe for component in COMPONENTS.values()), upsampler_recipe, lora_recipe)


def checkpoint_shapes(config: CheckpointConfig, components: Iterable[str]) -> dict[str, Shape]:
    """Give the keys and shapes of the named components, in the order in which they are written.

    Components may share tensors, of one shape. Raises BadInputError for a component that is not known.
    """
    names, shapes = tuple(components), dict[str, Shape]()
    for name in names:
        if name not in COMPONENTS:
            expected = f"some of {', '.join(COMPONENTS)}"
            raise BadInputError("components", f"{name!r}", expected, "leave it out")
        for key, shape in COMPONENTS[name].rows(config):
            assert shapes.setdefault(key, shape) == shape, f"{key}: two shapes"
    if len(set(names)) != len(names):
        raise BadInputError("components", "one comes twice", "each component once", "name each only once")
    if not shapes:
        raise BadInputError("components", "none", f"some of {', '.join(COMPONENTS)}", "name at least one")
    return shapes


def parameter_count(shapes: dict[str, Shape]) -> int:
    """Count the elements of all tensors."""
    return sum(math.prod(shape) for shape in shapes.values())


def recipe_for(key: str, shape: Shape) -> Recipe:
    """Choose the fill of the tensor with an official key; BadInputError for a key or a rank not known."""
    for recipe_of in _RECIPES:
        recipe = recipe_of(key, shape)
        if recipe is not None:
            return recipe
    got, expected = f"no recipe for shape {list(shape)}", "a key of the official format"
    raise BadInputError(f"synthetic tensor {key!r}", got, expected, "write a recipe for this kind of tensor")
