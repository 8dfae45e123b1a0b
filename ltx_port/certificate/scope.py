"""What a certificate is for: the numerics that somebody wants to run the port in."""

from dataclasses import fields
from typing import Literal, get_args

from pydantic.dataclasses import dataclass
from torch import __version__ as torch_version
from torch import device as Device
from torch import dtype as Dtype

from ltx_port.certificate.fields import STRICT, Name
from ltx_port.errors import InputError
from ltx_port.release import Release
from ltx_port.transformer.attention import AttentionBackend

DeviceType = Literal["cpu", "cuda"]
WorkingDtype = Literal["bfloat16", "float32"]


@dataclass(frozen=True, config=STRICT)
class Scope:
    """One way to run the port: the type of device, working dtype, attention kernel, release followed, and torch."""

    device: DeviceType
    dtype: WorkingDtype
    attention: Name
    release: Name
    torch: Name

    @staticmethod
    def of(device: Device, dtype: Dtype, attention: AttentionBackend, release: Release) -> "Scope":
        """Give the scope of a run under the torch that is imported; InputError where no certificate can cover it."""
        name = str(dtype).removeprefix("torch.")
        for what, got, known in (("device", device.type, DeviceType), ("dtype", name, WorkingDtype)):
            if got not in get_args(known):
                raise InputError(what, repr(got), f"one of {', '.join(get_args(known))}", "choose one")
        # Literal types cannot follow the check above; the record checks both again.
        return Scope(device.type, name, attention.value, release.name, str(torch_version))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.told(tuple(field.name for field in fields(self)))

    def told(self, names: tuple[str, ...]) -> str:
        """Give some of its parts in words."""
        return ", ".join(f"{name} {getattr(self, name)}" for name in names)

    def differences(self, other: "Scope") -> tuple[str, ...]:
        """Name the parts in which two scopes differ."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) != getattr(other, field.name))

    @property
    def file_name(self) -> str:
        """The name of the one file for this scope."""
        return f"{self.device}-{self.dtype}-{self.attention}-{self.release}-torch{self.torch}.json"
