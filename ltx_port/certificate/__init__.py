"""Proof that this port passed its parity suites, on this kind of machine: what the pipeline asks for before it runs."""

from ltx_port.certificate.certificate import Certificate, Compared, Evidence, Reference
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.certificate.scope import Scope
from ltx_port.certificate.search import certificate_path, default_folder, valid_certificate
from ltx_port.certificate.versions import Versions

__all__ = [
    "Certificate",
    "Compared",
    "Evidence",
    "Reference",
    "Scope",
    "Versions",
    "certificate_path",
    "default_folder",
    "port_sha256",
    "valid_certificate",
]
