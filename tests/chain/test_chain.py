"""Chains: what a link sees, what is kept, and what is refused."""

from dataclasses import replace

import pytest
import torch
from chain_cases import Guided, linear, matrix, start, vector

from parity.chain import Chain, Link, Outcome, OutcomeKind, require_same_links
from parity.errors import BadInputError, IncompleteError

X = Outcome("x", OutcomeKind.LATENT)


def double(state):
    return {"x": 2 * state["x"]}


def test_a_link_sees_only_what_it_takes() -> None:
    seen = []
    link = Link("l", "l", ("x",), ("x",), lambda state: seen.append(set(state)) or double(state))
    link({"x": torch.ones(2), "y": torch.ones(2)})
    assert seen == [{"x"}]


def test_a_link_must_give_exactly_what_it_declares() -> None:
    with pytest.raises(IncompleteError, match="link l: gives x; expected x, y"):
        Link("l", "l", ("x",), ("x", "y"), double)({"x": torch.ones(2)})


@pytest.mark.parametrize("value", [torch.inf, torch.nan])
def test_what_is_not_finite_goes_no_further(value: float) -> None:
    with pytest.raises(IncompleteError, match="link l: x is not finite"):
        Link("l", "l", ("x",), ("x",), double)({"x": torch.tensor([1.0, value])})


def test_a_state_that_lacks_something_is_refused() -> None:
    with pytest.raises(BadInputError, match="link l: no x"):
        Link("l", "l", ("x",), ("x",), double)({"y": torch.ones(2)})


def test_a_run_is_its_links_in_their_order() -> None:
    chain = linear("c", {"one": matrix("one"), "two": matrix("two")})
    assert torch.equal(chain.run(start())["x"], matrix("two") @ (matrix("one") @ start()["x"]))


def test_a_tensor_is_kept_as_long_as_something_needs_it() -> None:
    chain = Guided(2).chain("c")
    kept = [set(visit.before) for visit in chain.walk(start())]
    assert kept == [{"x"}, {"x", "a", "b"}, {"x", "guided"}] * 2


def test_states_are_held_as_the_implementation_represents_them() -> None:
    chain = replace(linear("c", {"one": matrix("one")}), represent=lambda _, x: x.to(torch.bfloat16).float())
    rounded = start()["x"].to(torch.bfloat16).float()
    assert torch.equal(chain.run(start())["x"], (matrix("one") @ rounded).to(torch.bfloat16).float())


def test_steps_are_stretches_of_links() -> None:
    assert Guided(2).chain("c").steps == {0: range(3), 1: range(3, 6)}
    assert Guided(2).chain("c").handed_on(3) == ("x",)


@pytest.mark.parametrize(
    ("links", "outcomes", "told"),
    [
        ((Link("l", "l", ("x",), ("x",), double),) * 2, (X,), "two links called l"),
        ((Link("l", "l", ("x",), ("x",), double),), (Outcome("y", OutcomeKind.SOUND, 48000),), "outcome y"),
        ((Link("l", "l", ("x",), ("x",), double),), (), "no outcome"),
        (tuple(Link(n, n, ("x",), ("x",), double, s) for n, s in zip("abc", (0, 1, 0), strict=True)), (X,), "steps"),
    ],
    ids=["names", "unmade", "none", "steps"],
)
def test_a_chain_that_means_nothing_is_refused(
    links: tuple[Link, ...], outcomes: tuple[Outcome, ...], told: str
) -> None:
    with pytest.raises(BadInputError, match=told):
        Chain("c", links, outcomes)


def test_chains_that_do_not_pair_off_are_refused() -> None:
    one = linear("one", {"a": matrix("a"), "b": matrix("b")})
    require_same_links(one, linear("other", {"a": matrix("c"), "b": matrix("d")}))
    for maps in ({"a": matrix("a")}, {"a": matrix("a"), "c": matrix("c")}):
        with pytest.raises(IncompleteError, match="chains one and other"):
            require_same_links(one, linear("other", maps))
    renamed = replace(one, links=tuple(replace(link, component="c") for link in one.links))
    with pytest.raises(IncompleteError, match="link a"):
        require_same_links(one, renamed)


def test_the_cases_draw_different_numbers() -> None:
    """The other tests would show nothing if all maps were one."""
    assert not torch.equal(matrix("one"), matrix("two"))
    assert not torch.equal(vector("a.0"), vector("a.1"))
