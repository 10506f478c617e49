"""Aggregation kernels against Flower, numpy, torch and (where installed) ByzFL, interleaved.

    make bench-kernels      10 x 11,177,538 (ResNet-18) and 50 x 1,000,000 float32
    python -m benchmarks.bench_kernels --quick      1,000,000 and 100,000, three repetitions

Every repetition runs all methods of a group one after another; the table gives the median time of
each, the median of the same-repetition ratios against ours, the multiple of the time to read the
input once (the floor), and the peak extra memory. Results are checked against ours before anything
is timed.
"""

import argparse
import gc
import logging
import resource
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.kernels_rivals import Group, clients_of, groups


class Peak:
    """Peak resident memory above the start, sampled every 5 ms."""

    def __enter__(self) -> "Peak":
        gc.collect()
        self.start = self._now()
        self.top = self.start
        self.running = True
        self.thread = threading.Thread(target=self._watch)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.running = False
        self.thread.join()
        self.mib = (self.top - self.start) / 2**20

    def _watch(self) -> None:
        while self.running:
            self.top = max(self.top, self._now())
            time.sleep(0.005)

    @staticmethod
    def _now() -> int:
        try:
            return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(name: str, group: Group, repeats: int, floor: float) -> None:
    expected = group["fedgroup"]()
    times: dict[str, list[float]] = {method: [] for method in group}
    memory = {}
    notes = {}
    for method, call in list(group.items()):
        try:
            with Peak() as peak:
                found = np.asarray(call())
        except RuntimeError as error:  # torch.quantile refuses large inputs
            notes[method] = str(error).split("\n")[0][:60]
            del times[method]
            continue
        memory[method] = peak.mib
        scale = float(np.abs(expected).max())
        notes[method] = f"{float(np.abs(found - expected).max()) / scale:.1e}"
    for _ in range(repeats):
        for method in times:
            start = time.perf_counter()
            group[method]()
            times[method].append(time.perf_counter() - start)
    print(
        f"\n| {name} | ms | of ours | of the floor | extra MiB | largest difference |\n"
        "|---|---|---|---|---|---|"
    )
    for method in group:
        if method not in times:
            print(f"| {method} | – | – | – | – | {notes[method]} |")
            continue
        ratio = statistics.median(
            a / b for a, b in zip(times[method], times["fedgroup"], strict=True)
        )
        middle = statistics.median(times[method])
        print(
            f"| {method} | {middle * 1e3:,.0f} | {ratio:.1f} | {middle / floor:.1f} | "
            f"{memory[method]:,.0f} | {notes[method]} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    logging.getLogger("flwr").setLevel(logging.ERROR)
    torch.set_num_threads(2)
    sizes = (
        [(10, 1_000_000, 2), (50, 100_000, 10)]
        if args.quick
        else [(10, 11_177_538, 2), (50, 1_000_000, 10)]
    )
    for count, size, trim in sizes:
        _, clients = clients_of(count, size)
        reads = []
        for _ in range(5):
            start = time.perf_counter()
            for client in clients:
                client.max()
            reads.append(time.perf_counter() - start)
        floor = statistics.median(reads)
        print(
            f"\n## {count} x {size:,} float32 ({count * size * 4 / 1e6:,.0f} MB), "
            f"floor {floor * 1e3:.1f} ms"
        )
        del clients
        for name, group in groups(count, size, trim).items():
            measure(name, group, 3 if args.quick else args.repeats, floor)
            gc.collect()


if __name__ == "__main__":
    main()
