"""What every test runs under: checked tensor signatures, one thread, and the running reference where it must be."""

import gc
import os
import sys
from contextlib import ExitStack

import pytest
import torch
from jaxtyping import install_import_hook

# Before anything imports the port: from here on every call of it is checked against its annotations.
install_import_hook("ltx_port", "signature_check.check")
torch.set_num_threads(1)
# Processes that tests start have one thread as well: threads that wait for each other spin, beside other tests long.
os.environ["OMP_NUM_THREADS"] = "1"


_WHOLE = ExitStack()
_SEEN: list[object] = []
# After so many changes of files or of what is imported, what died meanwhile is looked for among all that is kept.
_CHANGES = 40


def pytest_sessionstart() -> None:
    from parity.run.collecting import spared_by_collections

    _WHOLE.enter_context(spared_by_collections())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pipelines collect garbage after each model: what is imported and kept already is not walked through each time."""
    from parity.run.collecting import spare_what_came

    now = (item.path, len(sys.modules))
    if _SEEN[-1:] != [now]:
        _SEEN.append(now)
        if len(_SEEN) % _CHANGES == 0:
            gc.unfreeze()
        spare_what_came()


def pytest_sessionfinish() -> None:
    _WHOLE.close()


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
