"""What `ltx-parity gate` writes when the parity suites passed, and how it is read back."""

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ltx_port import strict_json
from ltx_port.certificate.fields import STRICT, Count, Seconds, Sha256, Text, Time
from ltx_port.certificate.scope import Scope
from ltx_port.certificate.versions import Versions

SCHEMA: Final = "ltx-parity/certificate/1"
# Some fifty times the size of the largest so far, that of a live gate.
MAX_BYTES = 2 << 20


@dataclass(frozen=True, config=STRICT)
class Compared:
    """What one suite compared of one case of a stage: taps, their elements, and how the taps stand.

    `incomplete` counts reasons for which something could not be compared.
    """

    stage: Text
    suite: Text
    case: Text
    taps: Count
    elements: Count
    identical: Count
    within: Count
    over: Count
    incomplete: Count

    @property
    def fault(self) -> str | None:
        """Say why this is no pass, None where it is one."""
        if self.over:
            return f"{self.over} taps over budget"
        if self.incomplete:
            return f"{self.incomplete} things not compared"
        if not (self.taps and self.elements):
            return "nothing compared"
        return None if self.identical + self.within == self.taps else "counts that do not add up"


@dataclass(frozen=True, config=STRICT)
class Reference:
    """The official code that the port was held to: its release and commit, running (live) or as recorded dumps."""

    release: Text
    commit: Text
    oracles: tuple[Literal["live", "recorded"], ...]


@dataclass(frozen=True, config=STRICT)
class Evidence:
    """All that a certificate says: what was judged, by what, where and when.

    `stages` names every stage of the pipeline that exists, `compared` what was seen of each. `budgets_sha256` is of
    the budget files, `report_sha256` of the whole report as `--output` writes it.
    """

    scope: Scope
    port_sha256: Sha256
    stages: tuple[Text, ...]
    compared: tuple[Compared, ...]
    budgets_sha256: Sha256
    reference: Reference
    versions: Versions
    seconds: Seconds
    created: Time
    report_sha256: Sha256

    @property
    def fault(self) -> str | None:
        """Say, in one line, why this evidence is no pass; None where every stage was compared and is within budget."""
        return next(self._faults(), None)

    def _faults(self) -> Iterator[str]:
        for row in self.compared:
            if row.fault is not None:
                yield f"{row.suite}/{row.case}: {row.fault}"
        seen = {row.stage for row in self.compared}
        for stage in sorted(set(self.stages) ^ seen):
            yield f"stage {stage} {'was not compared' if stage in self.stages else 'does not exist'}"
        if not self.compared:
            yield "nothing was compared"
        if (self.reference.release, self.versions.torch) != (self.scope.release, self.scope.torch):
            yield f"judged release {self.reference.release} under torch {self.versions.torch}, not its own scope"


@dataclass(frozen=True, config=STRICT)
class Certificate(Evidence):
    """Evidence, sealed: `digest` is over the canonical JSON of all the rest.

    The digest finds edits by hand, mixtures of two files, and damage. It is no signature: it holds no secret, and
    whoever computes it anew over other evidence makes a certificate that is accepted. A certificate keeps an honest
    user from running what nobody has judged; it proves nothing to somebody who does not trust its writer.
    """

    schema: Literal["ltx-parity/certificate/1"]
    digest: Sha256

    @staticmethod
    def sealing(evidence: Evidence) -> "Certificate":
        """Seal evidence; ValueError where it is no pass."""
        if evidence.fault is not None:
            raise ValueError(evidence.fault)
        parts = {field.name: getattr(evidence, field.name) for field in dataclasses.fields(evidence)}
        open_ = Certificate(**parts, schema=SCHEMA, digest="0" * 64)
        return dataclasses.replace(open_, digest=open_.expected_digest())

    def expected_digest(self) -> str:
        """Compute what the digest must be."""
        document = self._document()
        del document["digest"]
        canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def to_json(self) -> str:
        """Give the text of its file."""
        return json.dumps(self._document(), indent=1) + "\n"

    @staticmethod
    def from_json(text: str) -> "Certificate":
        """Read it back; ValueError, in one line, for anything but exactly the fields of a certificate."""
        # pydantic's reader would take the last of two equal keys without a word.
        strict_json.parse(text)
        try:
            return _ADAPTER.validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "the whole"
            raise ValueError(f"{place!r:.80}: {' '.join(first['msg'].split()):.120}") from None

    @staticmethod
    def read(path: Path) -> "Certificate":
        """Read a file; ValueError or OSError where that is no certificate, whatever else it may be."""
        # A pipe of that name would never end.
        if not path.is_file():
            raise ValueError("not a file")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} bytes")
        return Certificate.from_json(content.decode("utf-8"))

    def _document(self) -> dict[str, object]:
        return {"schema": self.schema, **_ADAPTER.dump_python(self, mode="json")}


_ADAPTER = TypeAdapter(Certificate)
