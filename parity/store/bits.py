"""The exact bits of a tensor: its bytes, the name of its dtype, and the hash which names its content."""

import hashlib
from dataclasses import dataclass
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray

from parity.errors import BadInputError


@dataclass(frozen=True)
class StoredDtype:
    """How one torch dtype lies on disk: the numpy code HDF5 keeps it under, and safetensors' own name."""

    torch_dtype: torch.dtype
    hdf5: str
    safetensors: str


# numpy has no bfloat16 and no float8, and HDF5's bool is an enum: these keep their bits in unsigned integers.
_STORED = (
    StoredDtype(torch.float64, "<f8", "F64"),
    StoredDtype(torch.float32, "<f4", "F32"),
    StoredDtype(torch.float16, "<f2", "F16"),
    StoredDtype(torch.bfloat16, "<u2", "BF16"),
    StoredDtype(torch.float8_e4m3fn, "|u1", "F8_E4M3"),
    StoredDtype(torch.float8_e5m2, "|u1", "F8_E5M2"),
    StoredDtype(torch.int64, "<i8", "I64"),
    StoredDtype(torch.int32, "<i4", "I32"),
    StoredDtype(torch.int16, "<i2", "I16"),
    StoredDtype(torch.int8, "|i1", "I8"),
    StoredDtype(torch.uint64, "<u8", "U64"),
    StoredDtype(torch.uint32, "<u4", "U32"),
    StoredDtype(torch.uint16, "<u2", "U16"),
    StoredDtype(torch.uint8, "|u1", "U8"),
    StoredDtype(torch.bool, "|u1", "BOOL"),
)


def dtype_name(dtype: torch.dtype) -> str:
    """Return torch's own short name of `dtype`, such as "bfloat16"."""
    return str(dtype).removeprefix("torch.")


STORED_DTYPES = {dtype_name(stored.torch_dtype): stored for stored in _STORED}


@dataclass(frozen=True)
class BlobSpec:
    """The dtype and shape of one stored content."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a 0-d tensor."""
        return prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the content, row-major and without padding."""
        return self.elements * self.dtype.itemsize

    @property
    def stored(self) -> StoredDtype:
        """How this dtype lies on disk."""
        return STORED_DTYPES[dtype_name(self.dtype)]


def raw_bytes(tensor: torch.Tensor) -> NDArray[np.uint8]:
    """Return the row-major bytes of `tensor` as a 1-D uint8 array; never converts a value.

    A contiguous CPU tensor is not copied: the array shares its memory. Raises BadInputError for a tensor with
    no plain bytes to read (meta, sparse, quantized).
    """
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_quantized:
        kind = "quantized" if tensor.is_quantized else f"{tensor.layout} on {tensor.device}"
        raise BadInputError("tensor", f"a {kind} tensor", "a dense tensor with values", "densify it first")
    plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    flat = plain.reshape(-1)
    if flat.stride(0) != 1:
        # torch calls a tensor of at most one element contiguous whatever its stride, and then cannot view it.
        flat = flat.clone(memory_format=torch.contiguous_format)
    return flat.view(torch.uint8).numpy()


class ContentHasher:
    """A content hash taken piece by piece, for contents too large to hold."""

    def __init__(self, dtype: torch.dtype, shape: tuple[int, ...]):
        sizes = ",".join(str(size) for size in shape)
        # The header ends in a byte which neither part can hold, so no two (dtype, shape, bytes) run together.
        self._digest = hashlib.sha256(f"{dtype_name(dtype)};{sizes}\n".encode("ascii"))

    def update(self, raw: NDArray[np.uint8]) -> None:
        """Take the next row-major bytes."""
        self._digest.update(raw.data)

    def hexdigest(self) -> str:
        """Return the hash of everything taken so far, in 64 lowercase hex digits."""
        return self._digest.hexdigest()


def content_hash(tensor: torch.Tensor) -> str:
    """Return the sha256, in hex, of the dtype name, the shape and the row-major bytes of `tensor`.

    Strides, device and autograd state do not enter; every bit of every element does (-0.0, NaN payloads).
    """
    hasher = ContentHasher(tensor.dtype, tuple(tensor.shape))
    hasher.update(raw_bytes(tensor))
    return hasher.hexdigest()
