"""What every test runs under: checked tensor signatures, one thread, and the running reference where it must be."""

import os

import pytest
import torch
from jaxtyping import install_import_hook

# Before anything imports the port: from here on every call of it is checked against its annotations.
install_import_hook("ltx_port", "signature_check.check")
torch.set_num_threads(1)


def _reference_installed() -> bool:
    from reference_dumps.official.installed import installed_release

    return installed_release() == "1.0.0"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if _reference_installed():
        return
    if os.environ.get("LTX_PARITY_REFERENCE") == "required":
        raise pytest.UsageError("ltx-core 1.0.0 is not installed, but LTX_PARITY_REFERENCE=required")
    skip = pytest.mark.skip(reason="needs the official code: pip install '.[reference]'")
    for item in items:
        if item.get_closest_marker("reference"):
            item.add_marker(skip)
