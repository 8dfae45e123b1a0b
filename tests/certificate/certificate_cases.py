"""Certificates to break: one that holds here, and what it is made of."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from ltx_port.certificate import Certificate, Compared, Evidence, Reference, Scope, Versions, certificate_path
from ltx_port.certificate.certificate import SCHEMA
from ltx_port.certificate.port_hash import port_sha256
from ltx_port.release import RELEASE_1_2_0
from ltx_port.transformer.attention import AttentionBackend

CPU = torch.device("cpu")
SCOPE = Scope.of(CPU, torch.bfloat16, AttentionBackend.AUTO, RELEASE_1_2_0)
PORT = port_sha256()
PASSED = Compared(
    stage="lora", suite="recorded", case="lora-small@1.2.0", taps=30, elements=900, identical=28, within=2, over=0,
    incomplete=0,
)  # fmt: skip
EVIDENCE = Evidence(
    scope=SCOPE,
    port_sha256=PORT,
    stages=("text", "lora"),
    compared=(PASSED, dataclasses.replace(PASSED, stage="text", case="text-small@1.2.0")),
    budgets_sha256="1" * 64,
    reference=Reference("1.2.0", "2362161", ("recorded",)),
    versions=Versions.here(CPU),
    seconds=41.5,
    created="2026-11-25T04:00:00+00:00",
    report_sha256="2" * 64,
)


def evidence(scope: Scope = SCOPE, **changes: Any) -> Evidence:
    """Evidence for a scope, with parts of it changed."""
    reference = dataclasses.replace(EVIDENCE.reference, release=scope.release)
    versions = dataclasses.replace(EVIDENCE.versions, torch=scope.torch)
    return dataclasses.replace(EVIDENCE, scope=scope, **{"reference": reference, "versions": versions, **changes})


def sealed(found: Evidence = EVIDENCE) -> Certificate:
    """Seal evidence even where it is no pass, as somebody who computes the digest anew could."""
    parts = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    open_ = Certificate(**parts, schema=SCHEMA, digest="0" * 64)
    return dataclasses.replace(open_, digest=open_.expected_digest())


def put(folder: Path, found: Evidence = EVIDENCE, name: str | None = None) -> Path:
    """Lay a certificate where it is looked for, or under another name."""
    path = certificate_path(found.scope, folder) if name is None else folder / name
    path.write_text(sealed(found).to_json(), encoding="utf-8")
    return path
