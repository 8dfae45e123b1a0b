"""The official loader is lenient (strict=False, and a log line for what is missing), so that is checked here."""

from pathlib import Path
from typing import TypeVar

from torch import nn

from parity.errors import BadInputError

Model = TypeVar("Model", bound=nn.Module)


def whole(model: Model, checkpoint: Path) -> Model:
    """Give the model for inference; BadInputError where the file left a parameter or a buffer without weights."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    unset = [name for name, tensor in tensors if tensor.is_meta]
    if unset:
        raise BadInputError(
            f"{checkpoint}: {unset[0]}",
            f"no weights for {len(unset)} official tensors",
            "a checkpoint with all of them",
            "write the checkpoint again",
        )
    return model.eval().requires_grad_(False)
