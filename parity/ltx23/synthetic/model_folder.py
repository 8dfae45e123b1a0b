"""A whole tiny model, file by file as the real one is published, with a picture to animate."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy
from PIL import Image

from ltx_port.checkpoint.config import CheckpointConfig, parse_config
from parity.ltx23.configs import config_text
from parity.ltx23.synthetic.components import COMPONENTS, checkpoint_shapes
from parity.ltx23.synthetic.gemma import write_gemma
from parity.ltx23.synthetic.lora_file import LoraSpec
from parity.ltx23.synthetic.spec import CheckpointSpec
from parity.ltx23.synthetic.upsampler_file import UpsamplerSpec
from parity.ltx23.synthetic.write import write_checkpoint

CONFIG = "tiny-pipeline"
"""The official pipelines fix the channels of the latents, so that is the smallest configuration that they run at."""
_DISTILLED_RANK, _STYLE_RANK = 4, 2
_PREFIX, _SUFFIX = "model.diffusion_model.", ".weight"


@dataclass(frozen=True)
class ModelFolder:
    """The files of a model in one folder."""

    root: Path

    @property
    def checkpoint(self) -> Path:
        """The undistilled checkpoint."""
        return self.root / "checkpoint-dev.safetensors"

    @property
    def distilled(self) -> Path:
        """The distilled checkpoint."""
        return self.root / "checkpoint-distilled.safetensors"

    @property
    def distilled_lora(self) -> Path:
        """The distilled LoRA."""
        return self.root / "distilled-lora.safetensors"

    @property
    def upsampler(self) -> Path:
        """The spatial upsampler."""
        return self.root / "spatial-upscaler-x2.safetensors"

    @property
    def gemma(self) -> Path:
        """The root of the text encoder."""
        return self.root / "gemma-3"

    @property
    def picture(self) -> Path:
        """A picture."""
        return self.root / "picture.png"


def write_model_folder(root: Path, seed: int) -> ModelFolder:
    """Write every file into an existing folder; the same bytes on every machine, whatever is there already."""
    folder = ModelFolder(root)
    for path, number in ((folder.checkpoint, seed), (folder.distilled, seed + 3)):
        write_checkpoint(path, CheckpointSpec(CONFIG, number, components=tuple(COMPONENTS)))
    write_distilled_lora(folder.distilled_lora, seed)
    write_upsampler(folder.upsampler, seed)
    if not folder.gemma.is_dir():
        write_gemma_root(folder.gemma, seed)
    write_picture(folder.picture)
    return folder


def write_upsampler(path: Path, seed: int) -> None:
    """Write the upsampler."""
    write_checkpoint(path, UpsamplerSpec(CONFIG, seed))


def write_distilled_lora(path: Path, seed: int) -> None:
    """Write a LoRA of every matrix of the transformer, in the place of the distilled one."""
    shapes = checkpoint_shapes(_config(), ("transformer",))
    matrices = tuple(
        key.removeprefix(_PREFIX).removesuffix(_SUFFIX)
        for key, shape in shapes.items()
        if len(shape) == 2 and key.endswith(_SUFFIX)
    )
    write_checkpoint(path, LoraSpec(_config(), matrices, _DISTILLED_RANK, seed + 1))


def write_style_lora(path: Path, seed: int) -> None:
    """Write a LoRA of some matrices, as users bring them."""
    layers = tuple(f"transformer_blocks.{block}.attn1.{name}" for block in (0, 1) for name in ("to_q", "to_v"))
    write_checkpoint(path, LoraSpec(_config(), layers, _STYLE_RANK, seed + 2))


def write_gemma_root(root: Path, seed: int) -> None:
    """Write a Gemma root, with the files beside it that the official pipelines look for by name."""
    write_gemma(root, seed)
    (root / "tokenizer.model").touch()
    processor = {"image_processor_type": "Gemma3ImageProcessor", "processor_class": "Gemma3Processor"}
    (root / "preprocessor_config.json").write_text(json.dumps(processor), encoding="utf-8")


def write_picture(path: Path) -> None:
    """Write a picture with no symmetry, of a shape that no clip has and odd sides."""
    rows, columns = numpy.mgrid[0:75, 0:101]
    red = (rows * 3 + columns) % 256
    green = (columns * 2 + rows * rows // 16) % 256
    blue = 255 - (rows + columns * columns // 40) % 256
    Image.fromarray(numpy.stack([red, green, blue], -1).astype(numpy.uint8), "RGB").save(path, format="PNG")


def _config() -> CheckpointConfig:
    return parse_config(config_text(CONFIG), CONFIG)
