"""The certificate that a run needs, and what it says of itself without one."""

import argparse

from ltx_port.certificate import Scope, valid_certificate
from ltx_port.pipeline.components import Numerics

UNVERIFIED = "none: generated with --unverified"


def proof_of(arguments: argparse.Namespace, numerics: Numerics) -> str:
    """Give the digest of the certificate that holds for the run; InputError, with the command to run, without one."""
    if arguments.unverified:
        return UNVERIFIED
    scope = Scope.of(numerics.device, numerics.dtype, numerics.attention, numerics.release)
    return valid_certificate(scope, arguments.certificates).digest
