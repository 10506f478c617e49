"""Where the repository and the numeric cases lie."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
CASES = ROOT / "tests" / "cases"
