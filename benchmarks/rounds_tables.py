"""The results of bench_rounds: the contenders' names, their answers and the printed tables."""

import statistics
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.rounds_case import Case

OURS = "fedgroup"
BFLOAT16 = "fedgroup bfloat16"
WORKERS = "fedgroup 2 workers"
MANY = "fedgroup, 10,000 clients"
PLAIN = "plain PyTorch"
PFL = "pfl"
FLOWER = "Flower stock simulation"
BLAZEFL = "BlazeFL"


@dataclass
class Race:
    """What the contenders of one case answered, by label; equal positions ran one after another."""

    case: Case
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    """Why a contender has no figures."""
    distance: dict[str, float] = field(default_factory=dict)
    """Largest difference of the final parameters from fedgroup's, as a share of the largest
    change."""

    def seconds(self, label: str) -> list[float]:
        return [answer["seconds"] for answer in self.answers.get(label, [])]

    def median(self, label: str) -> float | None:
        return statistics.median(self.seconds(label)) if self.answers.get(label) else None

    def ratios(self, label: str, base: str = OURS) -> list[float]:
        """Time of `label` over time of `base`, repetition by repetition."""
        return [a / b for a, b in zip(self.seconds(label), self.seconds(base), strict=False)]

    def ratio(self, label: str, base: str = OURS) -> float | None:
        found = self.ratios(label, base)
        return statistics.median(found) if found else None


def overhead_table(race: Race) -> None:
    print("| no-op clients | ms per round | of ours | start-up s |\n|---|---|---|---|")
    for label, answers in race.answers.items():
        start = statistics.median(answer.get("start", float("nan")) for answer in answers)
        shown = "" if np.isnan(start) else f"{start:.2f}"
        print(
            f"| {label} | {race.median(label) * 1e3:,.2f} | {race.ratio(label) or 0:.2f} "
            f"| {shown} |"
        )
    split_line(race)


def training_table(race: Race) -> None:
    print(
        "| training | pictures/s | of ours (lowest to highest) | ms per round "
        "| weights differ by |\n"
        "|---|---|---|---|---|"
    )
    for label in race.answers:
        seconds, ratios = race.median(label), [1 / ratio for ratio in race.ratios(label)]
        distance = f"{race.distance[label]:.0e}" if label in race.distance else "its own cohorts"
        print(
            f"| {label} | {race.case.pictures() / seconds:,.0f} | {statistics.median(ratios):.2f} "
            f"({min(ratios):.2f} to {max(ratios):.2f}) | {seconds * 1e3:,.1f} | {distance} |"
        )
    split_line(race)


def split_line(race: Race) -> None:
    splits = [answer["split"] for answer in race.answers.get(OURS, [])]
    if splits:
        parts = {
            name: statistics.median(split[name] for split in splits) * 1e3 for name in splits[0]
        }
        words = ", ".join(f"{name} {value:,.2f} ms" for name, value in parts.items())
        print(
            f"\nOf fedgroup's round: {words} (rest: what the records do not time; evaluate is not "
            "in the table)."
        )
    for label, reason in race.reasons.items():
        print(f"\n{label} was not run: {reason}")


def aims(races: dict[str, Race]) -> None:
    """The aims, and what was measured."""
    rows: list[tuple[str, str, float | None, bool | None]] = []

    def add(text: str, limit: float, value: float | None, unit: str, at_most: bool) -> None:
        met = None if value is None else (value <= limit if at_most else value >= limit)
        rows.append((text, f"{'<=' if at_most else '>='} {limit:g}{unit}", value, met))

    noop, train = races["cnn no-op"], races["cnn training"]
    small = noop.median(OURS)
    add("CNN: overhead per round, ms", 10, small and small * 1e3, "", True)
    add("CNN: 10,000 clients against 100, time per round", 1.05, noop.ratio(MANY), "x", True)
    if "resnet18 no-op" in races:
        large = races["resnet18 no-op"].median(OURS)
        add("ResNet-18: overhead per round, s", 0.25, large, "", True)
    for name, race in (("CNN", train), ("ResNet-18", races.get("resnet18 training"))):
        if race is None:
            continue
        add(f"{name}: float32 against pfl, pictures/s", 1.15, race.ratio(PFL), "x", False)
        add(f"{name}: bfloat16 against pfl, pictures/s", 1.6, race.ratio(PFL, BFLOAT16), "x", False)
        add(f"{name}: 2 workers against 1, pictures/s", 1.8, race.ratio(OURS, WORKERS), "x", False)
    print("\n## Aims\n\n| aim | limit | measured | met |\n|---|---|---|---|")
    for text, limit, value, met in rows:
        shown = "not measured" if value is None else f"{value:.3g}"
        print(f"| {text} | {limit} | {shown} | {'' if met is None else 'yes' if met else 'no'} |")
