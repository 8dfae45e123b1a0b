"""A declared hint is met by its kind and by all that it states, and by nothing less."""

import pytest

from parity.blame import Blame, HintKind, expectations


def met(declared: str, kind: HintKind | None, words: str | None) -> bool:
    blame = Blame("a.b", None, "all differ", words, "", kind)
    return any(expected.met_by(blame) for expected in expectations(declared))


SHIFTED = "equals the reference delayed by 2 samples along axis 1 (tokens)"


@pytest.mark.parametrize(
    ("declared", "kind", "words", "right"),
    [
        ("factor: 0.5", HintKind.FACTOR, "equals the reference times 0.5: a missing factor of 2", True),
        ("factor: 0.5", HintKind.FACTOR, "equals the reference times 0.501", True),
        ("factor: 0.5", HintKind.FACTOR, "equals the reference times 0.51", False),
        ("factor: 0.5", HintKind.AFFINE, "equals the reference times 0.5 plus 1", False),
        ("constant: 1e-06", HintKind.CONSTANT, "has 1e-06 where the reference has 1e-05", True),
        ("constant: 1e-06", HintKind.CONSTANT, "has 1e-08 where the reference has 1e-05", False),
        ("shift: delayed by 2 samples; axis 1", HintKind.SHIFT, SHIFTED, True),
        ("shift: delayed by 2 samples; axis 2", HintKind.SHIFT, SHIFTED, False),
        ("shift: advanced by 2 samples; axis 1", HintKind.SHIFT, SHIFTED, False),
        ("shift: delayed by 2 sample; axis 1", HintKind.SHIFT, SHIFTED, False),
        ("sign | shift: axis 1", HintKind.SHIFT, SHIFTED, True),
        ("tensor: attn.k", HintKind.TENSOR, "equals text.pass.attn.k: another value", True),
        ("tensor: attn.k", HintKind.TENSOR, "equals text.pass.attn.k_norm: another value", False),
        ("mask", HintKind.MASK, "masks 8 elements", True),
        ("mask", None, None, False),
        ("", HintKind.MASK, "masks 8 elements", False),
    ],
)
def test_a_hint_is_right_if_its_kind_and_all_that_it_states_are(declared, kind, words, right):
    assert met(declared, kind, words) is right


@pytest.mark.parametrize("words", ["equals the reference delayed by 3 samples along axis 2", "axes 1, 2 and 4 swapped",
                                   "equals step2.x2 plus 3"])  # fmt: skip
def test_the_number_of_an_axis_or_of_a_name_is_no_number_that_is_stated(words):
    assert not met("shift: 2", HintKind.SHIFT, words)


@pytest.mark.parametrize("declared", ["factor", "shift", "tensor: ", "wrong: 2", "sign |"])
def test_a_declaration_that_states_too_little_is_refused(declared):
    with pytest.raises(ValueError, match=r"states neither|is not a valid HintKind"):
        expectations(declared)


def test_a_declaration_reads_back_from_its_own_words():
    declared = expectations("shift: delayed by 2 samples; axis 1 | rounding")
    assert expectations(" | ".join(map(str, declared))) == declared
