"""Environments of other tools, under .bench/ in the repository root, made on first use."""

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HOME = Path(__file__).resolve().parents[1] / ".bench"


def same_versions() -> list[str]:
    """Our torch, torchvision and numpy, so that only the tool differs."""
    return [
        f"{name}=={version(name).partition('+')[0]}" for name in ("torch", "torchvision", "numpy")
    ]


def pfl() -> tuple[str | None, str]:
    """Python of pfl's environment, or None and why there is none."""
    if sys.version_info < (3, 13):
        base: str | None = sys.executable
    else:
        base = next(
            (found for minor in (12, 11) if (found := shutil.which(f"python3.{minor}"))), None
        )
    if base is None:
        return None, "pfl needs Python 3.12 or older, and none is on the PATH"
    return _environment("pfl", base, ["pfl[pytorch]", *same_versions()])


def blazefl() -> tuple[str | None, str]:
    """Python of BlazeFL's environment, or None and why there is none."""
    base = shutil.which("python3.14t") or shutil.which("python3.14")
    if base is None:
        return None, "BlazeFL needs Python 3.14, and no python3.14 is on the PATH"
    return _environment("blazefl", base, ["blazefl[contrib,reproducibility]", *same_versions()])


def _environment(name: str, base: str, wanted: list[str]) -> tuple[str | None, str]:
    folder = HOME / name
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    text = "\n".join([base, *wanted])
    if not (stamp.exists() and stamp.read_text() == text):
        HOME.mkdir(exist_ok=True)
        (HOME / ".gitignore").write_text("*\n")
        print(f"Installing {wanted[0]} into {folder} (once, a few minutes) ...", file=sys.stderr)
        steps = [
            [base, "-m", "venv", str(folder)],
            [
                str(python),
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                *wanted,
            ],
        ]
        for step in steps:
            done = subprocess.run(step, capture_output=True, text=True)
            if done.returncode:
                lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
                return None, f"{wanted[0]} could not be installed: {(lines or ['?'])[-1][:160]}"
        stamp.write_text(text)
    return str(python), ""
