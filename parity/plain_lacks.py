"""What a plain binding refuses: the verbs for what only a large model has."""

from collections.abc import Callable
from typing import NoReturn

from parity.binding import CampaignRequest, GateRequest, Progress, silent, unheard
from parity.blame import FaultOutcome
from parity.calibrate.request import CalibrateRequest
from parity.chain import ChainRequest
from parity.errors import BadInputError

_ENSEMBLE = "a model that says how else its reference may be computed"
_WHOLE_RUN = "a model whose whole run is a chain of links"


class OfLargeModels:
    """Refuses each of them in one line, with the model's name."""

    name: str

    def budget_lock(self) -> NoReturn:
        """Refuse, as `calibrate` does."""
        self._lack("calibrate", _ENSEMBLE)

    def calibrate(self, request: CalibrateRequest, progress: Progress = silent) -> NoReturn:
        """Refuse: nothing here says how else the reference may be computed."""
        self._lack("calibrate", _ENSEMBLE)

    def asked_faults(self, request: CampaignRequest) -> NoReturn:
        """Refuse: the faults do not say where they are to be found."""
        self._lack("faults", "faults that say which tap shows them first")

    def campaign(
        self, request: CampaignRequest, progress: Progress = silent, found: Callable[[FaultOutcome], None] = unheard
    ) -> NoReturn:
        """Refuse, as `asked_faults` does."""
        self.asked_faults(request)

    def gate(self, request: GateRequest, progress: Progress = silent) -> NoReturn:
        """Refuse: nothing here runs on a certificate."""
        self._lack("gate", "a model that a pipeline runs with certificates")

    def numerics(self) -> NoReturn:
        """Refuse, as `chains` does."""
        self._lack("forecast", _WHOLE_RUN)

    def chains(self, request: ChainRequest) -> NoReturn:
        """Refuse: this binding knows passes, and no run of several components."""
        self._lack("forecast and trajectory", _WHOLE_RUN)

    def step_taps(self) -> NoReturn:
        """Refuse, as `chains` does."""
        self._lack("trajectory", _WHOLE_RUN)

    def _lack(self, verb: str, expected: str) -> NoReturn:
        raise BadInputError(
            f"{verb} of {self.name}", "not in a plain binding", expected, "write a parity.binding.Binding"
        )
