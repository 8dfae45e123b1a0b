"""Random numbers by position: element i of a tensor is a function of (seed, key, i) and of nothing else.

torch's own generators give other numbers on another device, and in another chunking. Here everything is
64-bit integer arithmetic with wrap-around, and one float32 multiplication at the end; there is no function
that a library may round differently.
"""

import hashlib
import math

import torch

GENERATOR_VERSION = 1
"""Changes whenever any number below would; a written checkpoint carries it."""

# The constants of SplitMix64 (Steele, Lea, Flood 2014), as signed 64-bit integers: the step from one state to
# the next, and the two multipliers of its mixing function with the shifts around them.
_STEP = 0x9E3779B97F4A7C15 - 2**64
_MIX = ((30, 0xBF58476D1CE4E5B9 - 2**64), (27, 0x94D049BB133111EB - 2**64))
_LAST_SHIFT = 31

# Four fields of 16 bits: each uniform on 0..65535, so the sum has this mean and this variance.
_FIELDS = 4
_FIELD_MAX = 65535
_SUM_MEAN = _FIELDS * _FIELD_MAX // 2
_SUM_VARIANCE = _FIELDS * (65536**2 - 1) / 12

# A block's working set stays in a CPU core's cache, and torch does not spread so few elements over threads:
# with 65,536, on two cores that others used too, waiting for them took 4 times the arithmetic. A GPU wants
# few, large launches.
_CPU_BLOCK = 1 << 15
_DEVICE_BLOCK = 1 << 24


def random_bits(seed: int, key: str, start: int, stop: int, device: torch.device | str) -> torch.Tensor:
    """Give elements [start, stop) of the key's stream as int64 [stop - start], all 64 bits random."""
    state = torch.arange(start, stop, dtype=torch.int64, device=device)
    state.mul_(_STEP).add_(_stream_origin(seed, key))
    for shift, multiplier in _MIX:
        state.bitwise_xor_(_shifted_right(state, shift)).mul_(multiplier)
    return state.bitwise_xor_(_shifted_right(state, _LAST_SHIFT))


def normal_like(seed: int, key: str, start: int, stop: int, device: torch.device | str) -> torch.Tensor:
    """Give elements [start, stop) of the key's stream as float32 [stop - start].

    Mean 0, variance 1, kurtosis 2.7, within +-3.4642: the sum of four uniform variables, made of integers.
    """
    device = torch.device(device)
    values = torch.empty(stop - start, dtype=torch.float32, device=device)
    block = _CPU_BLOCK if device.type == "cpu" else _DEVICE_BLOCK
    for low in range(start, stop, block):
        high = min(low + block, stop)
        values[low - start : high - start] = _centred_sums(random_bits(seed, key, low, high, device))
    return values.mul_(1 / math.sqrt(_SUM_VARIANCE))


def _centred_sums(bits: torch.Tensor) -> torch.Tensor:
    sums = bits.bitwise_and(_FIELD_MAX).sub_(_SUM_MEAN)
    for field in range(1, _FIELDS):
        # The sign that an arithmetic shift copies in lies above the 16 bits that are kept.
        sums.add_(bits.bitwise_right_shift(16 * field).bitwise_and_(_FIELD_MAX))
    return sums


def _shifted_right(value: torch.Tensor, count: int) -> torch.Tensor:
    # torch has no unsigned shift of int64: the arithmetic one copies the sign in, which the mask takes out.
    return value.bitwise_right_shift(count).bitwise_and_((1 << (64 - count)) - 1)


def _stream_origin(seed: int, key: str) -> int:
    digest = hashlib.sha256(f"{GENERATOR_VERSION}\0{seed}\0{key}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)
