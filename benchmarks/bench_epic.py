"""EPIC's selection: ours against a naive full-matrix greedy, apricot and submodlib, in one run.

    python -m benchmarks.bench_epic [--sizes 3682 1113] [--subset 0.1] [--classes 2] [--repeats 3]
        [--similarity max_minus_distance] [--methods ours naive apricot submodlib]
        [--rivals /path/to/venv/bin/python]

--sizes are the samples per class (3682 1113: Waterbirds' training set; 13838 2439: a tenth of
CelebA's). The rivals live in a virtual environment of their own, which needs no more than `pip
install apricot-select submodlib-py`; without --rivals they are left out. All but ours hold the
whole matrix: 1.5 GB for 13838 samples, several times that in submodlib; choose with --methods.

Every method starts from the same gradients and includes whatever matrix it needs; interpreter
start, imports and a first small call (compilation) are not timed. One thread each. The methods
alternate inside every repetition; the medians and the median ratios to ours are printed, with the
share of our medoids that each method chooses too and its sum of distances to the nearest medoid
relative to ours (lower is better; up to a percent either way is the luck of ties, which the rivals
break by rounding noise or heap order).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Method = Callable[[NDArray[np.float32], int, str], list[int]]


def gradients(count: int, classes: int, seed: int) -> NDArray[np.float32]:
    """softmax - one-hot of samples that are mostly, but not all, well predicted (label 0)."""
    logits = np.random.default_rng(seed).normal(0, 2, (count, classes))
    logits[:, 0] += 2.5
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    p[:, 0] -= 1
    return p.astype(np.float32)


def matrix(g: NDArray[np.float32], similarity: str) -> Floats:
    """Whole matrix of similarities (n, n).

    Two columns are one coordinate, rounded to 2**-38 so that sums of distances are exact: on a line
    the two middle points of an even stretch always tie, and rounding noise must not choose between
    them.
    """
    if g.shape[1] == 2:
        x = np.rint((g[:, 1].astype(np.float64) - g[:, 0]) * 2.0**38) / 2.0**38
        distance = np.abs(np.subtract.outer(x, x))
        if similarity != "max_minus_distance":  # which the unit does not touch
            distance *= np.sqrt(0.5)
    else:
        distance = np.sqrt(
            sum(np.subtract.outer(column, column) ** 2 for column in g.T.astype(np.float64))
        )
    if similarity == "max_minus_distance":
        return distance.max() - distance
    if similarity == "inverse":
        return 1 / (1 + distance)
    return np.exp(-distance / g.shape[1])


def naive(g: NDArray[np.float32], budget: int, similarity: str) -> list[int]:
    s = matrix(g, similarity)
    best, order, room = np.zeros(len(s)), [], np.empty_like(s)
    for _ in range(budget):
        gains = np.maximum(np.subtract(s, best, out=room), 0, out=room).sum(1)
        gains[order] = -1
        order.append(int(gains.argmax()))
        best = np.maximum(best, s[order[-1]])
    return order


def ours(g: NDArray[np.float32], budget: int, similarity: str) -> list[int]:
    from fedgroup.methods.medoids.facility_location import choose_medoids

    return [int(j) for j in choose_medoids(g, budget, similarity).order]  # type: ignore[arg-type]


def apricot(g: NDArray[np.float32], budget: int, similarity: str) -> list[int]:
    from apricot import FacilityLocationSelection

    chosen = FacilityLocationSelection(budget, metric="precomputed", optimizer="lazy")
    return [int(j) for j in chosen.fit(matrix(g, similarity)).ranking]


def submodlib(g: NDArray[np.float32], budget: int, similarity: str) -> list[int]:
    from submodlib import FacilityLocationFunction

    function = FacilityLocationFunction(
        n=len(g), mode="dense", sijs=matrix(g, similarity), separate_rep=False
    )
    picked = function.maximize(
        budget=budget,
        optimizer="LazyGreedy",
        stopIfZeroGain=False,
        stopIfNegativeGain=False,
        show_progress=False,
    )
    return [int(j) for j, _ in picked]


METHODS: dict[str, Method] = {
    "ours": ours,
    "naive": naive,
    "apricot": apricot,
    "submodlib": submodlib,
}


def timed(
    name: str, parts: list[NDArray[np.float32]], budgets: list[int], similarity: str
) -> dict[str, object]:
    """Orders per class and the seconds of one pass over the classes, after a small first call."""
    method = METHODS[name]
    method(parts[0][:50], 5, similarity)
    start = time.perf_counter()
    orders = [method(g, budget, similarity) for g, budget in zip(parts, budgets, strict=True)]
    return {"seconds": time.perf_counter() - start, "orders": orders}


def apart(python: str, name: str, folder: Path, similarity: str) -> dict[str, object]:
    """The same in a fresh interpreter, which may be of another environment."""
    command = [python, __file__, "--worker", name, str(folder), similarity]
    one = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
    )
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | one
    )
    if done.returncode:
        raise SystemExit(f"{name}: {done.stderr.strip().splitlines()[-1]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def worker(name: str, folder: Path, similarity: str) -> None:
    if name == "ours":
        import torch

        torch.set_num_threads(1)
    parts = [np.load(path) for path in sorted(folder.glob("*.npy"))]
    print(json.dumps(timed(name, parts, json.loads((folder / "budgets").read_text()), similarity)))


def objective(g: NDArray[np.float32], order: list[int]) -> float:
    """Sum over samples of their distance to the nearest medoid (lower is better)."""
    points, chosen = g.astype(np.float64), g[order].astype(np.float64)
    near = np.full(len(g), np.inf)
    for medoid in chosen:
        np.minimum(near, np.square(points - medoid).sum(1), out=near)
    return float(np.sqrt(near).sum())


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[3682, 1113])
    parser.add_argument("--subset", type=float, default=0.1)
    parser.add_argument("--classes", type=int, default=2)
    parser.add_argument("--similarity", default="max_minus_distance")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--rivals", default="", help="python of an environment with apricot and submodlib"
    )
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    return parser.parse_args()


def main() -> None:
    args = arguments()

    rivals = {"apricot", "submodlib"}
    pythons = {
        name: args.rivals if name in rivals else sys.executable
        for name in dict.fromkeys(["ours", *args.methods])
        if args.rivals or name not in rivals
    }
    parts = [gradients(size, args.classes, seed) for seed, size in enumerate(args.sizes)]
    budgets = [-int(-args.subset * size // 1) for size in args.sizes]
    seconds: dict[str, list[float]] = {name: [] for name in pythons}
    orders: dict[str, list[list[int]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, part in enumerate(parts):
            np.save(folder / f"{label:03d}.npy", part)
        (folder / "budgets").write_text(json.dumps(budgets))
        for repeat in range(args.repeats):
            for method in list(pythons) if repeat % 2 == 0 else list(pythons)[::-1]:
                found = apart(pythons[method], method, folder, args.similarity)
                seconds[method].append(float(found["seconds"]))  # type: ignore[arg-type]
                orders[method] = found["orders"]  # type: ignore[assignment]

    print(
        f"classes of {args.sizes}, {budgets} medoids, {args.classes} columns, {args.similarity}, "
        "one thread"
    )
    compare(parts, sum(budgets), seconds, orders)


def compare(
    parts: list[NDArray[np.float32]],
    medoids: int,
    seconds: dict[str, list[float]],
    orders: dict[str, list[list[int]]],
) -> None:
    """Print every method's time and how far its medoids are ours."""
    print(
        f"{'':>10} {'seconds':>9} {'x ours':>8} {'medoids in common':>18} {'same order':>11} "
        f"{'distance / ours':>16}"
    )
    base = sum(objective(g, order) for g, order in zip(parts, orders["ours"], strict=True))
    for method, taken in seconds.items():
        ratio = statistics.median(t / o for t, o in zip(taken, seconds["ours"], strict=True))
        pairs = list(zip(orders[method], orders["ours"], strict=True))
        common = sum(len(set(a) & set(b)) for a, b in pairs) / medoids
        total = sum(objective(g, order) for g, order in zip(parts, orders[method], strict=True))
        print(
            f"{method:>10} {statistics.median(taken):9.3f} {ratio:8.1f} {common:18.1%} "
            f"{'yes' if all(a == b for a, b in pairs) else 'no':>11} {total / base:16.9f}"
        )


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        worker(sys.argv[2], Path(sys.argv[3]), sys.argv[4])
    else:
        main()
