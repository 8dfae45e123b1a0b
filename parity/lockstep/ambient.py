"""What a thread is set to. Torch keeps it for the thread, and two implementations run in one, each with its own."""

from typing import Any, NamedTuple

import torch

_DEVICES = ("cpu", "cuda")
_NO_AUTOCAST = (None, None)
_KEPT: list[Any] = []


class Ambient(NamedTuple):
    """Modes that see or change operations, innermost last; inference mode; gradients; what autocast casts to."""

    function_modes: tuple[Any, ...]
    dispatch_modes: tuple[Any, ...]
    inference: bool
    gradients: bool
    autocast: tuple[torch.dtype | None, ...]


def taken() -> Ambient:
    """Give what is set, and take off the modes."""
    # Twice for each tap of a large model, so that what is almost never set costs almost nothing.
    function_modes = dispatch_modes = ()
    if count := torch._C._len_torch_function_stack():
        function_modes = tuple(torch._C._pop_torch_function_stack() for _ in range(count))[::-1]
    if count := torch._C._len_torch_dispatch_stack():
        dispatch_modes = tuple(torch._C._pop_torch_dispatch_stack() for _ in range(count))[::-1]
    inference, gradients = torch.is_inference_mode_enabled(), torch.is_grad_enabled()
    return Ambient(function_modes, dispatch_modes, inference, gradients, _autocast())


def put(ambient: Ambient) -> None:
    """Set what `taken` gave; no mode may be on."""
    for mode in ambient.function_modes:
        torch._C._push_on_torch_function_stack(mode)
    for mode in ambient.dispatch_modes:
        torch._C._push_on_torch_dispatch_stack(mode)
    if torch.is_inference_mode_enabled() != ambient.inference:
        _set_inference(ambient.inference)
    if torch.is_grad_enabled() != ambient.gradients:
        torch._C._set_grad_enabled(ambient.gradients)
    if _autocast() != ambient.autocast:
        for device, dtype in zip(_DEVICES, ambient.autocast, strict=True):
            torch.set_autocast_enabled(device, dtype is not None)
            if dtype is not None:
                torch.set_autocast_dtype(device, dtype)
        # What was cast for one implementation is none of the other's.
        torch.clear_autocast_cache()


def _set_inference(enabled: bool) -> None:
    """Set inference mode, for which torch has no setter: a guard sets it, and its end would put back what it found."""
    guard = torch._C._InferenceMode(enabled)
    guard.__enter__()
    # Kept for good: some hundred bytes for each switch between sides of which one alone is in inference mode.
    _KEPT.append(guard)


def _autocast() -> tuple[torch.dtype | None, ...]:
    if not (torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")):
        return _NO_AUTOCAST
    return tuple(torch.get_autocast_dtype(d) if torch.is_autocast_enabled(d) else None for d in _DEVICES)
