"""What a wrong value equals instead: statements tried in order, the simplest that holds exactly wins."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from torch import Tensor

from parity.blame.evidence import Verified, verify
from parity.blame.hypotheses import HYPOTHESES
from parity.blame.hypotheses.absence import Masked
from parity.blame.record import Hint
from parity.blame.scene import Known, Scene, equal, open_scene, plain


def hint_for(own: Tensor, reference: Tensor, inputs: Sequence[Tensor] = ()) -> Hint | None:
    """Say what a value equals instead of the reference; None where they are equal or where nothing holds.

    `inputs` are what the value may have been computed from, called inputs[0] and so on. Tensors of different shapes
    are not comparable, and draw no hint.
    """
    last = len(inputs)
    return hint_among(
        own, reference, [Known(f"inputs[{i}]", partial(_same, x), last - i) for i, x in enumerate(inputs)]
    )


def _same(tensor: Tensor) -> Tensor:
    return tensor


def hint_among(own: Tensor, reference: Tensor, known: Sequence[Known], siblings: Sequence[Scene] = ()) -> Hint | None:
    """Say the same of a value in a pass whose other values are known; `siblings` differ too, and bear the same name."""
    if plain(own).shape != plain(reference).shape or own.numel() == 0 or equal(own, reference):
        return None
    return hint_in(replace(open_scene(own, reference, known), siblings=tuple(siblings)))


def hint_in(scene: Scene) -> Hint | None:
    """Give the first statement that holds exactly, else the first that nearly does; None where none holds.

    Where the first leaves more than rounding is likely to, a later one that leaves much less is given in its place.
    """
    # Statements that do not apply overflow, or divide by zero: what comes of it is held to be no number, and is none.
    with np.errstate(all="ignore"):
        return _first(scene)


def _first(scene: Scene) -> Hint | None:
    if not scene.differs.any():
        return None
    # Where nothing that is finite differs, infinities do, which mask.
    finite = bool((scene.differs & scene.counted).any())
    nearly: Verified | None = None
    scopes = list(scene.scopes()) if finite else [scene]
    for hypothesis in HYPOTHESES if finite else (Masked(),):
        for scope in scopes:
            for proposal in hypothesis.propose(scope):
                found = verify(scope, proposal)
                if found is None:
                    continue
                if found.clean:
                    return found.hint
                nearly = found if nearly is None or found.betters(nearly) else nearly
    return None if nearly is None else nearly.hint
