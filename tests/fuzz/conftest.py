"""The fuzz tool's own modules, which lie beside its script."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
