"""From a checkpoint file to a transformer that runs: built on the meta device, loaded strictly."""

import torch

from ltx_port.checkpoint.config import TransformerConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from ltx_port.checkpoint.meta import on_meta
from ltx_port.checkpoint.strict import Part, load_strictly
from ltx_port.checkpoint.tensor_file import TensorSource
from ltx_port.offload import stream_layers
from ltx_port.release import NEWEST, Release
from ltx_port.transformer.model import Transformer

_BLOCKS = "blocks."
# The text connectors are stored inside the transformer's prefix, but belong to the text stage.
_CONNECTORS = tuple(f"{TRANSFORMER_PREFIX}{stream}_embeddings_connector." for stream in ("video", "audio"))


def build_transformer(config: TransformerConfig, release: Release = NEWEST) -> Transformer:
    """Give the transformer without weights (on the meta device), in evaluation mode."""
    with on_meta("transformer"):
        return Transformer(config, release).eval()


def load_transformer(
    checkpoint: CheckpointFile,
    device: torch.device,
    dtype: torch.dtype,
    release: Release = NEWEST,
    weights: TensorSource | None = None,
    offload_blocks: bool = False,
) -> Transformer:
    """Give the checkpoint's transformer with its weights on `device`, rounded to `dtype`.

    `weights`, where given, is read instead of the checkpoint: its tensors with a change to them. `offload_blocks`
    leaves the blocks' weights in host memory (in the file's own dtype the mapped file) and streams them to the device,
    block by block, whenever the transformer runs.

    Every transformer key of the file must have its place and every place its key, with the same shape;
    anything else is an InputError that names the first offender and counts the rest.
    """
    model = build_transformer(checkpoint.config.transformer, release)
    key_map = TransformerKeyMap(checkpoint.config.transformer.num_layers)
    keys = {name: key_map.to_official(name) for name in model.state_dict()}
    part = Part("transformer", keys, (TRANSFORMER_PREFIX,), _CONNECTORS)
    source = checkpoint if weights is None else weights
    load_strictly(model, source, part, device, dtype, on_host=(_BLOCKS,) if offload_blocks else ())
    if offload_blocks:
        stream_layers(list(model.blocks), device)
    return model
