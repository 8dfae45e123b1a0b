"""Makes torchaudio importable where its compiled extension is not, and only there.

torchaudio's wheel carries an extension linked against CUDA, which a CPU build of torch cannot load; torchaudio then
refuses to be imported at all. The official audio code uses only its pure-torch parts (MelSpectrogram, resample), so
where loading fails, a stand-in for `torchaudio._extension` says that there is no extension, as in a build without
one. Import this module before any official module that imports torchaudio.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

_PACKAGE = "torchaudio"
_EXTENSION = f"{_PACKAGE}._extension"


def _without_alignment(_: Callable[..., Any]) -> Callable[..., Any]:
    def refuse(*_args: Any, **_named: Any) -> None:
        raise RuntimeError("torchaudio runs without its compiled extension here, and so without forced alignment")

    return refuse


def _stand_in() -> ModuleType:
    module = ModuleType(_EXTENSION, "Stands in for the compiled extension of torchaudio: there is none.")
    contents = {"_IS_TORCHAUDIO_EXT_AVAILABLE": False, "_IS_ALIGN_AVAILABLE": False}
    for name, value in {**contents, "fail_if_no_align": _without_alignment}.items():
        setattr(module, name, value)
    return module


def _forget() -> None:
    """Remove what a failed import left half-initialised."""
    for name in [name for name in sys.modules if name == _PACKAGE or name.startswith(f"{_PACKAGE}.")]:
        del sys.modules[name]


def _import() -> bool:
    """Import torchaudio; say whether it came with its own extension."""
    try:
        importlib.import_module(_PACKAGE)
    except OSError:  # what torch raises when a library cannot be loaded
        _forget()
    else:
        return True
    sys.modules[_EXTENSION] = _stand_in()
    importlib.import_module(_PACKAGE)
    return False


HAS_EXTENSION = _import()
"""Whether torchaudio runs with its own compiled extension."""
