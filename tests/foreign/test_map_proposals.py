"""`ltx-parity map`: what it proposes is right, what it is unsure of says so, and nothing uses it but its file."""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign_cases import IDENTITY, write_dump, write_port
from torch import Tensor

from parity.cli import main
from parity.errors import BadInputError
from parity.foreign.files import ForeignFile
from parity.foreign.mapping import HIGH, TapMapping
from parity.foreign.proposal import Proposal, ProposedPair, propose
from parity.judge import Budgets

ROOT = Path(__file__).parents[2]
Propose = Callable[..., Proposal]


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


REFERENCE = {f"s.t{seed}": drawn(3, 4, 8, seed=seed) for seed in range(6)}


@pytest.fixture
def proposed(tmp_path: Path) -> Propose:
    def made(reference: Mapping[str, Tensor], port: Mapping[str, Tensor], tolerance: float = 0.02) -> Proposal:
        (tmp_path / "r.safetensors").unlink(missing_ok=True)
        write_port(tmp_path / "r.safetensors", reference)
        write_port(tmp_path / "c.safetensors", port)
        with ForeignFile.open(tmp_path / "r.safetensors") as own, ForeignFile.open(tmp_path / "c.safetensors") as other:
            return propose(own, other, tolerance)

    return made


def pair(found: Proposal, reference: str) -> ProposedPair:
    (one,) = [pair for pair in found.pairs if pair.reference == reference]
    return one


LAYOUTS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "as it is": (lambda t: t, []),
    "turned": (lambda t: t.transpose(0, 2), [{"transpose": [0, 2]}]),
    "permuted": (lambda t: t.permute(1, 2, 0), [{"permute": [2, 0, 1]}]),
    "flat": (lambda t: t.flatten(1), [{"reshape": [3, 4, 8]}]),
    "rotary pairs woven": (
        lambda t: t.unflatten(2, (2, 2, 2)).transpose(3, 4).flatten(2),
        [{"rope": "interleaved-to-split", "heads": 2, "axis": 2}],
    ),
    "rows exchanged": (lambda t: t[:, [1, 0, 3, 2]], [{"reorder": [1, 0, 3, 2], "axis": 1}]),
    "wide": (lambda t: t.double(), [{"cast": "float32"}]),
}


@pytest.mark.parametrize(("disguise", "steps"), LAYOUTS.values(), ids=LAYOUTS.keys())
def test_another_layout_is_found_with_the_steps_that_undo_it(proposed: Propose, disguise: Any, steps: Any) -> None:
    found = proposed(REFERENCE, {f"x{i}": disguise(REFERENCE[f"s.t{i}"]) for i in range(6)})
    for i in range(6):
        one = pair(found, f"s.t{i}")
        assert one.sources[0][0] == f"x{i}"
        assert [{k: v for k, v in step.items() if k != "rounding"} for step in one.steps] == steps
        assert one.confidence >= HIGH
    assert not found.reference_left
    assert not found.candidate_left


def test_a_fused_projection_is_taken_apart(proposed: Propose) -> None:
    own = {f"s.{n}": drawn(2, 5, 8, seed=seed) for seed, n in enumerate("qkv")}
    found = proposed({**own, **REFERENCE}, {"qkv": torch.cat(list(own.values()), -1), **REFERENCE})
    for take, name in enumerate(own):
        one = pair(found, name)
        assert one.sources == (("qkv", ()),)
        assert one.steps == ({"split": [8, 8, 8], "take": take, "axis": 2},)
        assert one.confidence >= HIGH


def test_what_the_reference_has_fused_is_joined(proposed: Propose) -> None:
    own = {n: drawn(2, 5, 8, seed=seed) for seed, n in enumerate("qkv")}
    found = proposed({"s.qkv": torch.cat(list(own.values()), -1)}, own)
    one = pair(found, "s.qkv")
    assert [name for name, _ in one.sources] == ["q", "k", "v"]
    assert one.steps == ({"concat": 2},)


def test_equal_tensors_are_never_certain(proposed: Propose) -> None:
    twice = {**REFERENCE, "s.again": REFERENCE["s.t0"]}
    found = proposed(twice, {f"x{i}": t for i, t in enumerate(twice.values())})
    assert {one.reference for one in found.pairs} == twice.keys()
    for name in ("s.t0", "s.again"):
        assert pair(found, name).confidence < HIGH
        assert "equal values" in pair(found, name).note
    assert pair(found, "s.t1").confidence >= HIGH


def test_equal_tensors_in_different_layouts_all_find_a_partner(proposed: Propose) -> None:
    """Nothing says which is nearest to which; there is a partner for each all the same."""
    base = REFERENCE["s.t0"]
    reference = {"s.a": base, "s.b": base.transpose(1, 2), "s.c": base, "s.d": base.transpose(1, 2)}
    port = {"w": base.transpose(0, 1), "x": base, "y": base.transpose(1, 2), "z": base.transpose(1, 2)}
    found = proposed(reference, port)
    assert not found.reference_left
    assert len({one.sources for one in found.pairs}) == 4


def test_pairs_are_exchanged_until_as_many_have_a_partner_as_can(proposed: Propose) -> None:
    """One could have either, the other only what the first would take."""
    base, step = drawn(3, 4, 8, seed=0), 0.012 * torch.ones(3, 4, 8)
    found = proposed({"s.a": base, "s.b": base + 2 * step}, {"x": base + step, "y": base - step})
    assert {one.reference: one.sources[0][0] for one in found.pairs} == {"s.a": "y", "s.b": "x"}


def test_tensors_that_lost_their_like_are_looked_at_in_any_order(proposed: Propose) -> None:
    base = REFERENCE["s.t0"]
    reference = {"s.a": base, "s.b": base, "s.c": base.transpose(1, 2)}
    found = proposed(reference, {"x": base, "y": base.transpose(1, 2), "z": base.transpose(1, 2)})
    assert not found.reference_left
    assert len({one.sources for one in found.pairs}) == 3


def test_a_layout_that_fits_as_well_lowers_the_confidence(proposed: Propose) -> None:
    """A matrix that is nearly symmetric cannot be told from its transpose."""
    half = drawn(8, 8, seed=0)
    sides = [half + half.T + 0.004 * drawn(8, 8, seed=seed) for seed in (1, 2)]
    one = pair(proposed({"s.a": sides[0], **REFERENCE}, {"x": sides[1], **REFERENCE}), "s.a")
    assert one.confidence < HIGH
    assert "another layout" in one.note


def test_few_different_values_are_never_certain(proposed: Propose) -> None:
    mask = (drawn(4, 16, seed=0) > 0).float()
    one = pair(proposed({"s.mask": mask, **REFERENCE}, {"x": mask, **REFERENCE}), "s.mask")
    assert one.sources[0][0] == "x"
    assert one.confidence <= 0.5


def test_a_rival_of_the_reference_lowers_the_confidence(proposed: Propose) -> None:
    rival = {**REFERENCE, "s.rival": REFERENCE["s.t0"] + 0.01 * drawn(3, 4, 8, seed=77)}
    found = proposed(rival, {**REFERENCE, "s.t0": REFERENCE["s.t0"] + 0.002 * drawn(3, 4, 8, seed=78)})
    assert pair(found, "s.t0").confidence < HIGH
    assert [one.name for one in found.reference_left] == ["s.rival"]


def test_a_piece_that_another_tensor_equals_is_never_certain(proposed: Propose) -> None:
    own = {f"s.{n}": drawn(2, 5, 8, seed=seed) for seed, n in enumerate("qkv")}
    found = proposed(
        {**own, "s.copy": own["s.q"], **REFERENCE}, {"qkv": torch.cat(list(own.values()), -1), **REFERENCE}
    )
    assert {one.confidence >= HIGH for one in found.pairs if one.reference in ("s.k", "s.v")} == {True}
    (first,) = [one for one in found.pairs if one.reference in ("s.q", "s.copy")]
    assert first.confidence <= 0.5


def test_the_order_of_the_file_tells_equal_tensors_apart(tmp_path: Path) -> None:
    tensors = {f"s.t{i:02}": drawn(3, 4, seed=i // 2) for i in range(40)}
    tensors |= {f"s.u{i:02}": drawn(5, 6, seed=100 + i) for i in range(40)}
    ordered = dict(sorted(tensors.items(), key=lambda item: item[0][3:]))
    write_dump(tmp_path / "r.h5", ordered)
    write_dump(tmp_path / "c.h5", {f"x{i:03}": t for i, t in enumerate(ordered.values())})
    with ForeignFile.open(tmp_path / "r.h5") as own, ForeignFile.open(tmp_path / "c.h5") as other:
        found = propose(own, other)
    assert [one.sources[0][0] for one in found.pairs] == [f"x{i:03}" for i in range(80)]
    assert all(one.confidence < HIGH for one in found.pairs if one.reference.startswith("s.t"))


@pytest.mark.parametrize("value", [0.0, 1.0, 0.5])
def test_a_constant_is_never_certain(proposed: Propose, value: float) -> None:
    found = proposed({"s.c": torch.full((3, 4), value), **REFERENCE}, {"x": torch.full((3, 4), value), **REFERENCE})
    assert pair(found, "s.c").confidence <= 0.5


def test_what_is_off_by_a_factor_is_told_and_not_proposed(proposed: Propose) -> None:
    found = proposed(REFERENCE, {**REFERENCE, "s.t0": REFERENCE["s.t0"] * 2})
    (own,), (other,) = found.reference_left, found.candidate_left
    assert (own.name, other.name) == ("s.t0", "s.t0")
    assert "0.5 times s.t0" in own.note


def test_a_near_miss_lowers_the_confidence(proposed: Propose) -> None:
    noise = drawn(3, 4, 8, seed=77)
    near = proposed(REFERENCE, {**REFERENCE, "s.t0": REFERENCE["s.t0"] + 0.001 * noise})
    far = proposed(REFERENCE, {**REFERENCE, "s.t0": REFERENCE["s.t0"] + 0.015 * noise})
    beyond = proposed(REFERENCE, {**REFERENCE, "s.t0": REFERENCE["s.t0"] + 0.1 * noise})
    assert pair(near, "s.t0").confidence >= HIGH > pair(far, "s.t0").confidence
    assert [one.name for one in beyond.reference_left] == ["s.t0"]


def test_a_rival_lowers_the_confidence(proposed: Propose) -> None:
    rival = {**REFERENCE, "s.rival": REFERENCE["s.t0"] + 0.01 * drawn(3, 4, 8, seed=77)}
    found = proposed(rival, {f"x{i}": t + 0.002 * drawn(3, 4, 8, seed=i) for i, t in enumerate(rival.values())})
    assert pair(found, "s.t0").sources[0][0] == "x0"
    assert pair(found, "s.t0").confidence < HIGH


def test_tensors_that_are_not_finite_or_empty_are_left_over_and_told(proposed: Propose) -> None:
    odd = {"s.nan": torch.tensor([1.0, float("nan")]), "s.none": torch.zeros(0)}
    found = proposed({**REFERENCE, **odd}, {**REFERENCE, **odd})
    assert {(one.name, one.note) for one in found.reference_left} == {
        ("s.nan", "not all finite"),
        ("s.none", "no elements"),
    }


def test_a_proposal_is_a_mapping_file_that_judges_what_it_was_made_of(tmp_path: Path) -> None:
    reference = {**REFERENCE, **{f"s.{n}": drawn(2, 5, 8, seed=20 + i) for i, n in enumerate("qkv")}}
    port = {f'odd {{{i}}}\n"name"': t.transpose(0, 2).double() for i, t in enumerate(REFERENCE.values())}
    port["qkv"] = torch.cat([reference[f"s.{n}"] for n in "qkv"], -1).transpose(1, 2)
    own, other, target = tmp_path / "r.h5", tmp_path / "c.safetensors", tmp_path / "map.toml"
    write_dump(own, reference)
    write_port(other, port, IDENTITY)
    assert main(["map", str(own), str(other), "--output", str(target), "--quiet"]) == 0
    from foreign_cases import BUDGETS

    from parity.foreign.judging import ForeignPair, compare_foreign
    from parity.store import Dump

    (tmp_path / "budgets.toml").write_text(BUDGETS, encoding="utf-8")
    with Dump.open(own) as dump, ForeignFile.open(other) as foreign:
        budgets = Budgets.load(tmp_path / "budgets.toml")
        result = compare_foreign(ForeignPair(foreign, TapMapping.load(target), dump, budgets, "foreign", {}))
    assert not result.incomplete
    assert {tap.verdict.value for tap in result.taps} == {"identical"}
    assert len(result.taps) == 9


def test_nothing_is_written_unasked_and_nothing_is_written_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dump(tmp_path / "r.h5", REFERENCE)
    write_port(tmp_path / "c.safetensors", {"x": REFERENCE["s.t0"]})
    files = [str(tmp_path / "r.h5"), str(tmp_path / "c.safetensors")]
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["map", *files, "--json", "--quiet"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert [one["from"][0]["name"] for one in told["pairs"]] == ["x"]
    assert len(told["reference_left"]) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    target = tmp_path / "map.toml"
    target.write_text("mine", encoding="utf-8")
    assert main(["map", *files, "--output", str(target), "--quiet"]) == 2
    assert target.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("tolerance", ["0", "1", "-1", "nan", "x"])
def test_a_tolerance_that_means_nothing_is_refused(tolerance: str) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(["map", "a", "b", "--tolerance", tolerance])
    assert refusal.value.code == 2
    if tolerance != "x":
        with pytest.raises(BadInputError):
            propose(None, None, float(tolerance))  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["weights", "taps"])
def test_scrambled_ports_find_back_to_the_official_module_tree(what: str, tmp_path: Path) -> None:
    """What tools/measure_map.py measures over all stages, on one small case of each kind."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import measure_map
    finally:
        sys.path.remove(str(ROOT / "tools"))
    if what == "weights":
        sides = measure_map.weights("audio-vae-small", tmp_path)
    else:
        sides = measure_map.taps("vae-small", "float32", tmp_path)
    made, found = measure_map.measure(sides, measure_map.Scramble(seed=11), tmp_path)
    assert found.passes, found
    assert found.by_value == found.tensors > 100
    assert made.turned > 5
    assert made.recast > 5
