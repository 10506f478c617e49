"""matplotlib, whatever the user's $MPLBACKEND and matplotlibrc say.

Figures are drawn as objects and written to files: no window system is asked, and a backend that is
not there, or that nobody knows, must not stop a report. Every figure starts from matplotlib's own
defaults, so that equal runs have equal figures on every machine.
"""

import os
from typing import Any

_chosen = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib
finally:
    if _chosen is not None:
        os.environ["MPLBACKEND"] = _chosen

PLAIN: dict[str, Any] = {
    name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"
}
"""matplotlib's defaults, without what a matplotlibrc changes."""
