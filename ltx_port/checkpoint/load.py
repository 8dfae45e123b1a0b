"""From a checkpoint file to a transformer that runs: built on the meta device, loaded strictly."""

from collections.abc import Iterable

import torch

from ltx_port.checkpoint.config import TransformerConfig
from ltx_port.checkpoint.file import CheckpointFile
from ltx_port.checkpoint.key_map import TRANSFORMER_PREFIX, TransformerKeyMap
from ltx_port.errors import InputError
from ltx_port.transformer.model import Transformer


def build_transformer(config: TransformerConfig) -> Transformer:
    """Give the transformer without weights (on the meta device), in evaluation mode."""
    with torch.device("meta"):
        return Transformer(config).eval()


def load_transformer(checkpoint: CheckpointFile, device: torch.device, dtype: torch.dtype) -> Transformer:
    """Give the checkpoint's transformer with its weights on `device`, rounded to `dtype`.

    Every transformer key of the file must have its place and every place its key, with the same shape;
    anything else is an InputError that names the first offender and counts the rest.
    """
    config = checkpoint.config.transformer
    model = build_transformer(config)
    key_map = TransformerKeyMap(config.num_layers)
    shapes = {key_map.to_official(name): tuple(p.shape) for name, p in model.named_parameters()}
    present = [key for key in checkpoint.keys() if key.startswith(TRANSFORMER_PREFIX)]  # noqa: SIM118
    _refuse("missing", shapes.keys() - set(present), checkpoint)
    _refuse("unknown", set(present) - shapes.keys(), checkpoint)
    for key, shape in shapes.items():
        if checkpoint.shape(key) != shape:
            raise InputError(
                f"{checkpoint.path}: {key}",
                f"shape {checkpoint.shape(key)}",
                f"{shape} from the file's own config",
                "the weights and the config of this file do not belong together; get it again",
            )
    weights = {key_map.to_port(key): _finite(checkpoint, key, device, dtype) for key in shapes}
    model.load_state_dict(weights, strict=True, assign=True)
    return model.requires_grad_(False)


def _finite(checkpoint: CheckpointFile, key: str, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    weight = checkpoint.read(key, device, dtype)
    if not torch.isfinite(weight).all():
        raise InputError(
            f"{checkpoint.path}: {key}",
            f"NaN or infinity in {dtype}",
            "finite weights",
            "get the file again; if it is whole, load it in a wider dtype",
        )
    return weight


def _refuse(kind: str, keys: Iterable[str], checkpoint: CheckpointFile) -> None:
    offenders = sorted(keys)
    if offenders:
        raise InputError(
            f"{checkpoint.path}: {offenders[0]}",
            f"{kind} transformer key ({len(offenders)} in all)",
            "exactly the keys that the file's own config asks for",
            "use a whole LTX-2.3 checkpoint, or correct num_layers in its config",
        )
