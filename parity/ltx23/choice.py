"""Which suites a run takes, each under which release, when the request leaves that open."""

from pathlib import Path

from ltx_port.certificate.scope import Scope
from ltx_port.release import RELEASES, release_named
from ltx_port.transformer.attention import AttentionBackend
from parity.binding import RunRequest, WeightsForm
from parity.errors import BadInputError
from parity.ltx23.refusals import refusals
from parity.ltx23.suites import LIVE_SUITES, SUITES
from parity.ltx23.world import PROVEN_LIVE
from reference_dumps.lock import read_lock
from reference_dumps.official.installed import installed_release


def installed() -> str | None:
    """Give the release of the official code that is installed and that the port follows, if any."""
    found = installed_release()
    return found if found in RELEASES else None


def known_release(name: str | None) -> str | None:
    """Give the name back where it is a release that the port follows; BadInputError where not."""
    if name is None:
        return None
    with refusals():
        return release_named(name).name


def chosen_suites(request: RunRequest, recordings: Path) -> list[tuple[str, str]]:
    """Give each suite to run with its release.

    Live suites follow the installed release, the suite `recorded` every other release that has recordings (every one
    with `--reference recorded`). BadInputError where the request contradicts itself.
    """
    _require_consistent(request)
    asked, here = known_release(request.release), installed()
    live = asked or here or PROVEN_LIVE
    take_live = request.reference == "live" or (request.reference == "auto" and here is not None and here == live)
    wanted = (
        ("exact",)
        if request.lockstep
        else request.suites
        or (
            *(LIVE_SUITES if take_live else ()),
            *(() if request.reference == "live" else ("recorded",)),
        )
    )
    found = [(suite, live) for suite in wanted if suite in LIVE_SUITES]
    if "recorded" in wanted:
        # What was asked for by both names is not left out; otherwise the live suites say more of their release.
        both = asked is not None and "recorded" in request.suites
        skipped = live if found and not both else None
        found += [("recorded", release) for release in _recorded(recordings, asked, skipped)]
    return found


def gate_suites(scope: Scope, recordings: Path) -> tuple[str, ...]:
    """Give the suites that prove the port in a scope here; BadInputError where there is none.

    Where the release is installed, its bits are asked for, and in bfloat16 its rounding too; else its recordings.
    Another attention kernel than the release's own may round otherwise: the suites that allow for rounding judge it.
    """
    live = installed() == scope.release
    recorded = any(name.startswith(f"{scope.release}/") for name in read_lock(recordings))
    as_released = scope.attention == AttentionBackend.AUTO.value
    applies = {
        "exact": live and as_released,
        "drift": live and scope.dtype == "bfloat16",
        "recorded": recorded and not (live and as_released),
    }
    found = tuple(suite for suite in SUITES if applies[suite])
    if not found:
        raise BadInputError(
            f"gate for {scope}",
            f"official code {scope.release} is not installed, and there are no recordings of it",
            "one of the two",
            "install it, or choose another release",
        )
    return found


def _recorded(recordings: Path, asked: str | None, skipped: str | None) -> list[str]:
    releases = sorted({name.partition("/")[0] for name in read_lock(recordings)} if asked is None else {asked})
    return [release for release in releases if release != skipped]


def _require_consistent(request: RunRequest) -> None:
    unknown = [suite for suite in request.suites if suite not in SUITES]
    if request.weights is not WeightsForm.COPIES and not request.lockstep:
        asked, got = f"--weights {request.weights}", "only for what runs side by side"
        raise BadInputError(asked, got, "--live as well", "add it, or leave it out")
    if request.lockstep and (request.suites not in ((), ("exact",)) or request.reference == "recorded"):
        asked = ", ".join(request.suites) or "--reference recorded"
        raise BadInputError(asked, "not what runs side by side", "suite exact, live", "leave it out")
    if unknown:
        raise BadInputError(f"suite {unknown[0]!r}", "unknown", f"one of {', '.join(SUITES)}", "choose one")
    contradiction = {"recorded": LIVE_SUITES, "live": ("recorded",), "auto": ()}[request.reference]
    for suite in request.suites:
        if suite in contradiction:
            raise BadInputError(
                f"suite {suite!r} with --reference {request.reference}",
                "they contradict each other",
                "a suite of that reference",
                "leave one of the two out",
            )
