"""One link of a chain: what it takes, what it gives, and whose numerics it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

from parity.errors import BadInputError, IncompleteError

State = Mapping[str, Tensor]
"""What flows through a chain at one place: tensors by name, float32 whatever precision a link computes in."""

Weights = Mapping[str, Mapping[str, float]]
"""For each tensor that is a linear combination: the weight of each tensor in it, the one to compare with first."""


@dataclass(frozen=True)
class Link:
    """One call of a component.

    `component` is what an implementation makes once and a chain uses often: block 7, in every step. `takes` are all
    tensors that it may see, `gives` all that it makes. `step` is the denoise step that it belongs to. `combines`, for
    a link that is a linear combination, gives its weights at a state.
    """

    name: str
    component: str
    takes: tuple[str, ...]
    gives: tuple[str, ...]
    forward: Callable[[State], State]
    step: int | None = None
    combines: Callable[[State], Weights] | None = None

    def __call__(self, state: State) -> dict[str, Tensor]:
        """Run it on its part of a state.

        BadInputError where the state lacks what it takes, IncompleteError where it gives something else than it
        declares, or a number that is not finite.
        """
        lacking = [key for key in self.takes if key not in state]
        if lacking:
            expected = f"a state with {', '.join(self.takes)}"
            raise BadInputError(f"link {self.name}", f"no {lacking[0]}", expected, "give it with the start")
        given = dict(self.forward({key: state[key] for key in self.takes}))
        if given.keys() != set(self.gives):
            got, expected = f"gives {', '.join(sorted(given)) or 'nothing'}", ", ".join(sorted(self.gives))
            raise IncompleteError(f"link {self.name}", got, expected, "declare what it gives")
        for key, tensor in given.items():
            if not bool(torch.isfinite(tensor).all()):
                raise IncompleteError(
                    f"link {self.name}", f"{key} is not finite", "finite numbers", "find out where they arise first"
                )
        return given


class OutcomeKind(Enum):
    """What an outcome is to somebody who looks or listens, and so how its quality is measured.

    FRAMES: [frames, height, width, colours] from 0 to 1. SOUND: [channels, samples] within -1 to 1.
    """

    LATENT = "latent"
    FRAMES = "frames"
    SOUND = "sound"


@dataclass(frozen=True)
class Outcome:
    """A tensor that a run is for; sound has a `sampling_rate` in hertz."""

    key: str
    kind: OutcomeKind
    sampling_rate: int | None = None
