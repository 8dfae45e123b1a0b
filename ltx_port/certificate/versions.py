"""What the port computed with when it was judged: libraries and machine."""

import platform
from importlib import metadata

import torch as torch_library
from pydantic.dataclasses import dataclass

from ltx_port.certificate.fields import STRICT, Text

# Libraries whose code computes or carries the port's numbers, beside torch, which is part of the scope.
BINDING_LIBRARIES = ("numpy", "transformers")


@dataclass(frozen=True, config=STRICT)
class Versions:
    """Versions of Python and libraries, and the machine: operating system, vector instructions, and the GPU if used."""

    python: Text
    torch: Text
    numpy: Text
    transformers: Text
    platform: Text
    cpu: Text
    gpu: Text | None

    @staticmethod
    def here(device: torch_library.device) -> "Versions":
        """Give those of this process for a run on a device."""
        return Versions(
            python=platform.python_version(),
            torch=str(torch_library.__version__),
            numpy=library_version("numpy"),
            transformers=library_version("transformers"),
            platform=f"{platform.system()} {platform.machine()}",
            cpu=torch_library.backends.cpu.get_cpu_capability(),
            gpu=torch_library.cuda.get_device_name(device) if device.type == "cuda" else None,
        )


def library_version(name: str) -> str:
    """Give the version of an installed library, without importing it."""
    return metadata.version(name)
