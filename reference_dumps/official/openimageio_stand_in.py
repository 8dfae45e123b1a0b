"""Makes the pipelines of release 1.2.0 importable where OpenImageIO is not installed, and only there.

They import it to read and write HDR images, which nothing here does. Import this module before `ltx_pipelines`.
"""

import sys
from importlib.util import find_spec
from types import ModuleType

_PACKAGE = "OpenImageIO"

if _PACKAGE not in sys.modules and find_spec(_PACKAGE) is None:
    sys.modules[_PACKAGE] = ModuleType(_PACKAGE, "Stands in for OpenImageIO: no image is read here.")
