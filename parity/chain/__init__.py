"""A model's whole run as a chain of named links, each of which can be run on its own."""

from parity.chain.chain import Chain, Visit, require_same_links
from parity.chain.link import Link, Outcome, OutcomeKind, State, Weights
from parity.chain.request import ChainRequest, Chains

__all__ = [
    "Chain",
    "ChainRequest",
    "Chains",
    "Link",
    "Outcome",
    "OutcomeKind",
    "State",
    "Visit",
    "Weights",
    "require_same_links",
]
