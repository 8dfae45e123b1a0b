"""Which kind of element the kernels take a dtype for."""

import torch

from parity.metrics.compiled import layout as at

KINDS = {
    torch.float64: at.FLOAT64,
    torch.float32: at.FLOAT32,
    torch.bfloat16: at.BFLOAT16,
    torch.float16: at.FLOAT16,
    torch.int64: at.INT64,
    torch.int32: at.INT32,
    torch.int16: at.INT16,
    torch.int8: at.INT8,
    torch.uint8: at.UINT8,
    torch.bool: at.UINT8,
}
