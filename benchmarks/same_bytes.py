"""Whether the working tree gives the same bytes as another commit: runs both, compares every file.

    python -m benchmarks.same_bytes --base COMMIT [--new COMMIT] [--work DIR] [--quick] [--record]

Both trees are exported to DIR and run through their own command line, each with its own cache.
A recording of a commit is kept and used again; the working tree is recorded anew every time.
Tables are cut in rounds and epochs, and most centralized ones run on a folder of small pictures
that is drawn here (the data set `folder`). Exit code 1: something differs.
"""

import argparse
import fcntl
import hashlib
import importlib.metadata
import io
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.same_bytes_compare import Found, compare, show, write_cases

ROOT = Path(__file__).resolve().parents[1]
QUICK = ("demo", "jtt")
ROUNDS = "federation.rounds=2 federation.eval_every=2 task.train.epochs=1"
JTT = "method.identify_epochs=1 method.upsample=1 task.train.epochs=1"
GM = "task.attack.steps=5 task.attack.restarts=1 task.attack.surrogate.train.epochs=1"
TOY = "task.data.use=folder task.data.root={cases}/pictures task.data.size=32 task.data.name=toy"
TWO = f"{TOY} task.train.epochs=2"
PLAN = {  # group: its commands, each tables, what is set in every row, and rules that are added
    "demo": [("demo table9", ROUNDS, "")],
    "federated": [
        ("attacked audit_update", ROUNDS, ""),
        ("audit", ROUNDS, "{use: krum, f: 2}"),
    ],
    "synthbirds": [
        ("table7", f"{JTT} {GM}", ""),
        ("table8", JTT, ""),
        ("table10", "task.train.epochs=2", ""),
        ("backbone", "task.train.epochs=1", ""),
    ],
    "jtt": [("table11 table12 separability", TWO, "")],
    "amplification": [("table1 table2 table4 table5 table6 methods", TWO, "")],
    "elimination": [("table3 figure1 epic", f"{TOY} task.train.epochs=3", "")],
    "audits": [
        ("audit_method", TWO, ""),
        ("audit_attack", f"{TOY} {ROUNDS} task.train.epochs=2", ""),
    ],
    "cases": [
        ("{cases}/federated_cases.yaml", f"{TOY} {ROUNDS}", ""),
        ("{cases}/central_cases.yaml", TWO, ""),
    ],
}
CHECK = """
import importlib.util, multiprocessing, pathlib, sys
code = '''import importlib.util, pathlib, sys
tree = pathlib.Path.cwd().resolve()
for name in ["experiments", *(path.parent.name for path in tree.glob("*/__init__.py"))]:
    spec = importlib.util.find_spec(name)
    if spec is None or not pathlib.Path(spec.origin).resolve().is_relative_to(tree):
        sys.exit(f"{name} comes from {spec and spec.origin}, not from {tree}")
import experiments
print(experiments.__file__)'''
exec(code)
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["experiments"])
child = forks.Process(target=exec, args=(code,))
child.start(), child.join()
sys.exit(child.exitcode)
"""
"""Run in a tree: its packages are its own, in this process and in a worker."""


def git(*arguments: str) -> bytes:
    """Return the output of a git command that changes nothing."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    return done.stdout


def export(commit: str, tree: Path) -> None:
    """Write a commit's files to `tree`; with no commit, those of the working tree."""
    shutil.rmtree(tree, ignore_errors=True)
    tree.mkdir(parents=True)
    if commit:
        with tarfile.open(fileobj=io.BytesIO(git("archive", commit))) as archive:
            archive.extractall(tree, filter="data")
        return
    for name in git("ls-files", "-coz", "--exclude-standard").decode().split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)


@contextmanager
def running(command: list[str], tree: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command on a tree, in a session of its own; however this ends, none of it goes on."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("FEDGROUP_", "PYTHON"))}
    places = [str(place) for place in (tree, tree / "src") if place.is_dir()]
    kept |= {"FEDGROUP_CACHE": str(tree.parent / "cache"), "PYTHONPATH": os.pathsep.join(places)}
    kept |= {"FEDGROUP_DEVICE": "cpu"}
    python = [sys.executable, *command]
    process = subprocess.Popen(python, cwd=tree, env=kept, start_new_session=True, **options)
    try:
        yield process
    finally:
        if process.poll() is None:  # the command line ends its workers itself
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def conditions(group: str, cases: Path) -> dict[str, Any]:
    """List all that a recording depends on besides the commit."""
    info = Path("/proc/cpuinfo")
    text = info.read_text().splitlines() if info.exists() else []
    model = next((line.partition(":")[2] for line in text if "model name" in line), "")
    packages = {name: importlib.metadata.version(name) for name in ("torch", "numpy", "flwr")}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    place = {"python": platform.python_version(), "processor": model.strip(), "omp": threads}
    files = sorted(path for path in cases.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    return {"commands": commands(group, cases), "machine": place | packages, "cases": digest}


def commands(group: str, cases: Path) -> list[list[str]]:
    """Spell out the commands of a group, but for the folder of their results."""
    found = []
    for tables, settings, rule in PLAN[group]:
        sets = [part for setting in settings.split() for part in ("--set", setting)]
        line = ["run", *tables.split(), "--seeds", "0", "--jobs", "2", *sets]
        line += ["--rule", rule] if rule else []
        found.append([part.replace("{cases}", str(cases)) for part in line])
    return found


def record(folder: Path, group: str, cases: Path) -> str:
    """Run one group of a tree, unless it is recorded; returns what went wrong."""
    results, stamp = folder / "results" / group, folder / f"{group}.json"
    facts = conditions(group, cases)
    if stamp.exists() and json.loads(stamp.read_text())["facts"] == facts:
        return ""
    stamp.unlink(missing_ok=True)
    shutil.rmtree(results, ignore_errors=True)
    started, log = time.monotonic(), folder / f"{group}.log"
    with log.open("w") as file:
        for line in facts["commands"]:
            command = ["-m", "experiments", *line, "--results", str(results)]
            output = {"stdout": file, "stderr": subprocess.STDOUT}
            with running(command, folder / "tree", **output) as process:
                code = process.wait()
            if code:
                return f"{' '.join(line)}\n    exit code {code}, see {log}"
    seconds = round(time.monotonic() - started)
    stamp.write_text(json.dumps({"facts": facts, "seconds": seconds}, indent=1))
    print(f"{folder.name}: {group} in {seconds} s", flush=True)
    return ""


def record_all(folder: Path, commit: str, groups: list[str], cases: Path) -> dict[str, str]:
    """Export a tree, check that its own code runs, and run what is missing; returns what failed."""
    done = folder / "exported"
    if not done.exists():
        export(commit, folder / "tree")
        done.touch()
    with running(["-c", CHECK], folder / "tree") as process:
        if process.wait():
            raise SystemExit(f"{folder.name}: another tree's code would run")
    failed = {group: record(folder, group, cases) for group in groups}
    return {group: reason for group, reason in failed.items() if reason}


def check(args: argparse.Namespace, work: Path) -> bool:
    """Record what is missing and compare; True where all is equal."""
    groups, cases = list(QUICK if args.quick else PLAN), work / "cases"
    write_cases(cases)
    base = work / git("rev-parse", "--short", f"{args.base}^{{commit}}").decode().strip()
    failed = record_all(base, args.base, groups, cases)
    if failed:
        raise SystemExit("\n".join(f"base {group}: {failed[group]}" for group in failed))
    if args.record:
        return True
    new = work / "new"
    shutil.rmtree(new, ignore_errors=True)
    failed = record_all(new, args.new, groups, cases)
    found: dict[str, Found] = {}
    for group in groups:
        found[group] = compare(base / "results" / group, new / "results" / group)
        if group in failed:
            found[group].differences.insert(0, failed[group])
    return show(found)


def main() -> None:
    """Compare; ends with exit code 1 where something differs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", required=True, help="commit to compare with")
    parser.add_argument("--new", default="", help="commit to compare; default: the working tree")
    parser.add_argument("--work", type=Path, default=ROOT / ".bench" / "same-bytes")
    parser.add_argument("--quick", action="store_true", help=f"only {', '.join(QUICK)}")
    parser.add_argument("--record", action="store_true", help="record the base and stop")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SystemExit(f"{work} is in use by another process") from None
        try:
            sys.exit(0 if check(args, work) else 1)
        except KeyboardInterrupt:
            raise SystemExit(130) from None


if __name__ == "__main__":
    main()
