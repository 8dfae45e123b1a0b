"""The digest in a JSON document: the same whether a document is sealed, or encoded with its seal at once."""

import pytest

from parity.errors import BadInputError
from parity.store import seal, strict_json


@pytest.mark.parametrize("document", [{}, {"a": 1}, {"b": {"digest": "}"}, "a": ["é", 0.5, None, "x}"]}, {"a": "}"}])
def test_a_document_encoded_with_its_seal_is_the_sealed_document_encoded(document: dict[str, object]) -> None:
    raw = seal.encoded(document, "here")
    assert raw == strict_json.encode("here", seal.sealed(document, "here"))
    seal.require_seal(strict_json.decode("here", raw), "here", "write it again")


def test_an_older_seal_is_replaced() -> None:
    assert seal.encoded({"a": 1, "digest": "old"}, "here") == seal.encoded({"a": 1}, "here")


def test_what_has_no_exact_form_is_refused_under_its_name() -> None:
    with pytest.raises(BadInputError, match="here"):
        seal.encoded({"a": float("nan")}, "here")
