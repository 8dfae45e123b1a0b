"""Which evaluations a loop makes, which passes each has, and the how-manieth call of each module that is."""

from collections import Counter
from collections.abc import Iterator
from math import isclose

from parity.ltx23.stages.denoise.passes import LoopPass
from parity.taps.catalogue import Item

_PASSES = ("cond", "neg", "stg", "isolated")
# The catalogue asks for every number, also in rows that it leaves out.
_TURNS = [f"{kind}{turn}" for kind in ("v", "a", "mv", "ma", "mid_c", "mid_n") for turn in range(len(_PASSES))]
_UNUSED = dict.fromkeys(("refined", "mid_g_video", "mid_g_audio", *_TURNS), "0")


def items(loop: LoopPass, joined: bool) -> tuple[list[Item], list[Item]]:
    """Lay out the steps, and the evaluation behind the last step if there is one; `joined`: passes are one batch."""
    counter = Counter[str]()
    steps = []
    for step in range(loop.steps):
        bind, flags = _UNUSED | {"step": str(step), "nn": f"{step:02d}"}, set[str]()
        _evaluation("", loop, joined, step, (counter, bind, flags))
        if loop.second_order:
            # The midpoint is a schedule of its own, of one level.
            _evaluation("mid_", loop, joined, 0, (counter, bind, flags))
            if _refined(loop, step):
                flags.add("refined")
                bind["refined"] = str(_next(counter, "refined"))
        bind |= _numbers(step, loop.second_order)
        steps.append(Item(bind, frozenset(flags)))
    if not (loop.second_order and loop.sigmas[-1] == 0):
        return steps, []
    bind, flags = _UNUSED | {"step": str(loop.steps), "nn": ""}, set[str]()
    _evaluation("", loop, joined, loop.steps, (counter, bind, flags))
    bind |= _numbers(loop.steps, True)
    return steps, [Item(bind, frozenset(flags))]


def _numbers(step: int, second_order: bool) -> dict[str, str]:
    """Number the calls that every step makes alike."""
    if not second_order:
        return {"v0": str(2 * step), "a0": str(2 * step + 1)}
    # For each stream x0, midpoint, second x0 and end are blended; noise is injected twice.
    blends = {f"{stream}{turn}": str(8 * step + 2 * turn + at) for turn in range(4) for at, stream in enumerate("va")}
    mixes = {f"m{stream}{turn}": str(4 * step + 2 * turn + at) for turn in range(2) for at, stream in enumerate("va")}
    return blends | mixes


def _evaluation(
    at: str, loop: LoopPass, joined: bool, index: int, into: tuple[Counter[str], dict[str, str], set[str]]
) -> None:
    counter, bind, flags = into
    if loop.scales is None:
        guided, passes = [False, False], ["cond"]
    else:
        guided = [not _skips(scales.skip_step, index) for scales in loop.scales]
        passes = list(_passes(loop)) if any(guided) else []
    calls = list(_calls(passes, loop, joined))
    bind |= {f"{at}c{number}": "none" for number in range(len(_PASSES))}
    bind |= {f"{at}n{number}": "0" for number in range(len(_PASSES))}
    for number, name in enumerate(calls):
        flags.add(f"{at}call{number}")
        bind |= {f"{at}c{number}": name, f"{at}n{number}": str(_next(counter, "call"))}
    for stream, on in zip(("video", "audio"), guided, strict=True):
        bind[f"{at}g_{stream}"] = "0"
        if on:
            flags |= {f"{at}guided_{stream}", *(f"{at}{name}" for name in passes)}
            bind[f"{at}g_{stream}"] = str(_next(counter, stream))


def _next(counter: Counter[str], what: str) -> int:
    counter[what] += 1
    return counter[what] - 1


def _skips(skip_step: int, index: int) -> bool:
    return skip_step > 0 and index % (skip_step + 1) > 0


def _passes(loop: LoopPass) -> Iterator[str]:
    assert loop.scales is not None
    yield "cond"
    if any(not isclose(scales.cfg, 1) for scales in loop.scales):
        yield "neg"
    if any(not isclose(scales.stg, 0) for scales in loop.scales):
        yield "stg"
    if any(not isclose(scales.modality, 1) for scales in loop.scales):
        yield "isolated"


def _calls(passes: list[str], loop: LoopPass, joined: bool) -> Iterator[str]:
    """Name the calls of the model: passes, or parts of the joined batch."""
    batch = loop.video.latent.shape[0]
    if loop.scales is None or not joined or loop.max_batch == batch:
        yield from (f"pass_{name}" for name in passes)
        return
    samples = batch * len(passes)
    yield from (f"part{number}" for number in range(-(-samples // loop.max_batch)))


def _refined(loop: LoopPass, step: int) -> bool:
    sigma, following = loop.sigmas[step].double(), loop.sigmas[step + 1].double().clamp(min=0.0011)
    return bool((sigma / following).log() < 0.5 and sigma > 0.03)
