"""The official vocoder is laid out without numbers once for each filter, and otherwise left as it is."""

from pathlib import Path

import pytest
import torch

from parity.ltx23.stages import CASES
from parity.ltx23.terms import Load
from parity.ltx23.world import PROVEN_LIVE, World

pytestmark = pytest.mark.reference
# Arguments of the checkpoint's own filters: an even and an odd number of taps.
ARGUMENTS = [(0.25, 0.3, 12), (0.5 / 3, 0.2, 18), (0.25, 0.3, 7)]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_filter_without_numbers_has_the_shape_of_the_official_one_and_is_nobody_elses(
    arguments: tuple[float, float, int],
) -> None:
    from reference_dumps.official.filter_shapes import filters_laid_out_once, vocoder

    with torch.device("meta"):
        plain = vocoder.kaiser_sinc_filter1d(*arguments)
        with filters_laid_out_once():
            first, second = (vocoder.kaiser_sinc_filter1d(*arguments) for _ in range(2))
    assert first is not second
    for made in (first, second):
        told = (made.device, made.dtype, made.shape, made.stride(), made.requires_grad)
        assert told == (plain.device, plain.dtype, plain.shape, plain.stride(), plain.requires_grad)


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_a_filter_with_numbers_is_the_official_one_each_time(
    arguments: tuple[float, float, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from reference_dumps.official.filter_shapes import filters_laid_out_once, vocoder

    plain, asked = vocoder.kaiser_sinc_filter1d, []
    monkeypatch.setattr(vocoder, "kaiser_sinc_filter1d", lambda *given: asked.append(given) or plain(*given))
    with filters_laid_out_once():
        made = [vocoder.kaiser_sinc_filter1d(*arguments) for _ in range(2)]
    assert asked == [arguments] * 2
    assert all(torch.equal(one, plain(*arguments)) for one in made)


def test_a_loaded_vocoder_has_the_filters_of_one_that_the_official_code_lays_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from contextlib import nullcontext

    from reference_dumps.official import vocoder

    with World(release=PROVEN_LIVE) as world:
        path: Path = world.checkpoint(CASES["vocoder-small"])
        request = Load({"checkpoint": path}, torch.device("cpu"), torch.float32, PROVEN_LIVE, {})
        once = vocoder.load(request).state_dict()
        monkeypatch.setattr(vocoder, "filters_laid_out_once", nullcontext)
        plain = vocoder.load(request).state_dict()
    assert once.keys() == plain.keys()
    assert all(torch.equal(once[name], plain[name]) for name in plain)
    assert sum(name.endswith("filter") for name in plain) > 10
