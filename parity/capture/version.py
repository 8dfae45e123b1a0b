"""How often a tensor was written to, which says whether it still is what was shown."""

from torch import Tensor

UNCOUNTED = -1
"""The version of a tensor that torch does not count the changes of."""


def version_of(tensor: Tensor) -> int:
    """Give torch's count; UNCOUNTED for inference tensors. A kernel of another library that writes is not counted."""
    return UNCOUNTED if tensor.is_inference() else tensor._version
