"""Finding the certificate for a run, and saying in one line what is wrong where there is none that holds."""

import os
import shlex
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from ltx_port.certificate.certificate import Certificate
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.certificate.scope import Scope
from ltx_port.certificate.versions import BINDING_LIBRARIES, library_version
from ltx_port.errors import InputError

FOLDER_VARIABLE = "LTX_CERTIFICATES"
_EXPECTED = "a certificate of `ltx-parity gate`, as it was written"


def default_folder() -> Path:
    """Give the folder of certificates: $LTX_CERTIFICATES, else `ltx-parity/certificates` in the user's state folder."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return Path(chosen)
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        # The XDG base directory specification has a relative path ignored.
        state = state if state.is_absolute() else Path.home() / ".local/state"
    except RuntimeError:
        got, expected = "no home folder", "a folder for certificates"
        raise InputError("certificates", got, expected, f"set {FOLDER_VARIABLE} to a folder") from None
    return state / "ltx-parity" / "certificates"


def certificate_path(scope: Scope, folder: Path) -> Path:
    """Say where the certificate for a scope lies: one file for each."""
    return folder / scope.file_name


def valid_certificate(scope: Scope, folder: Path | None = None) -> Certificate:
    """Give the certificate that lets the port run in a scope; `folder` is the default one unless given.

    InputError, in one line that ends with the command to run, where there is none, or it is unreadable, edited, for
    another scope, no pass, or older than the port's code or the libraries that it computes with.
    """
    place = default_folder() if folder is None else folder
    command = f"run: {_command(scope, folder)} ({_duration(scope, place)})"
    path = certificate_path(scope, place)
    if not os.path.lexists(path):
        raise _absent(scope, place, command)
    try:
        found = Certificate.read(path)
    except (OSError, ValueError) as error:
        got = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise InputError(str(path), f"unreadable: {got}", _EXPECTED, command) from None
    for got, expected in _objections(found, scope):
        raise InputError(str(path), got, expected, command)
    return found


def _objections(found: Certificate, scope: Scope) -> Iterator[tuple[str, str]]:
    digest = found.expected_digest()
    if digest != found.digest:
        yield f"edited since it was written: its digest is {found.digest[:12]}, its content's {digest[:12]}", _EXPECTED
    yield from _other_scope(found.scope, scope)
    if found.fault is not None:
        yield f"the verdict in it is not a pass: {found.fault}", "every stage within budget"
    port = port_sha256()
    if port != found.port_sha256:
        yield f"the port changed since: it was {found.port_sha256[:12]}", f"{port[:12]}, the port as it is installed"
    for library in BINDING_LIBRARIES:
        then, now = getattr(found.versions, library), library_version(library)
        if then != now:
            yield f"made with {library} {then}", f"{now}, as it is installed"


def _other_scope(got: Scope, expected: Scope) -> Iterator[tuple[str, str]]:
    names = expected.differences(got)
    if names:
        yield f"made for another {' and '.join(names)}: {got.told(names)}", expected.told(names)


def _absent(scope: Scope, folder: Path, command: str) -> InputError:
    """Word the refusal where no file is named for the scope, by the certificate that comes closest to it."""
    others = list(_readable(folder))
    if not others:
        return InputError(str(folder), "no certificate", f"one for {scope}", command)
    closest = min(others, key=lambda found: (len(scope.differences(found.scope)), -_created(found).timestamp())).scope
    ((got, expected),) = _other_scope(closest, scope)
    return InputError(str(certificate_path(closest, folder)), got, expected, command)


def _command(scope: Scope, folder: Path | None) -> str:
    words = ["ltx-parity", "gate", "--device", scope.device, "--dtype", scope.dtype]
    # What `gate` takes by itself need not be said.
    words += [] if scope.attention == "auto" else ["--attention", scope.attention]
    words += ["--release", scope.release]
    return shlex.join(words if folder is None else [*words, "--certificates", str(folder)])


# How long a gate for the newest release takes against recordings, in one process: `ltx-parity gate` on a Xeon,
# 2026-11-25, 9.9 s; on an NVIDIA H100 in six processes 39 s.
SECONDS = {"cpu": 10.0, "cuda": 40.0}


def _duration(scope: Scope, folder: Path) -> str:
    """Say how long the gate took when it last wrote a certificate for that type of device."""
    alike = [found for found in _readable(folder) if found.scope.device == scope.device]
    newest = max(alike, key=_created, default=None)
    seconds = SECONDS.get(scope.device) if newest is None else newest.seconds
    return "time not measured yet" if seconds is None else f"about {max(1, round(seconds))} s"


def _created(found: Certificate) -> datetime:
    return datetime.fromisoformat(found.created)


def _readable(folder: Path) -> Iterator[Certificate]:
    """Give the folder's certificates that are as they were written; the rest tells nothing."""
    for path in sorted(folder.glob("*.json")):
        with suppress(OSError, ValueError):
            found = Certificate.read(path)
            if found.digest == found.expected_digest() and path.name == found.scope.file_name:
                yield found
