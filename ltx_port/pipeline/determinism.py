"""The settings of torch under which the port is proven, and runs."""

from contextlib import AbstractContextManager

import torch


def proven_settings() -> AbstractContextManager[object]:
    """Hold cuDNN to float32 proper and to one order of sums, for as long as the context lasts.

    On a GPU, torch lets cuDNN round the inputs of float32 convolutions to 10 bits (some 20,000 epsilons of drift), and
    sum in an order that changes from run to run: neither the port nor the reference could then be told from itself.
    """
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)
