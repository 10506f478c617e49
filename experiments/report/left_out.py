"""Finished runs that a report leaves out because their records cannot be trusted, by name."""

from pathlib import Path

from experiments.results.finished_runs import refusal, remarks, result
from experiments.results.probe_reports import probe_remarks
from experiments.tables.labels import labelled
from experiments.tables.table import Table
from fedgroup.runs.record_digests import has_digests


def left_out(table: Table, results: Path) -> list[str]:
    """Return one sentence per run that is left out, and per damaged file beside one that is not."""
    sentences = []
    for run, label in labelled(table):
        if reason := refusal(run, results):
            sentences.append(f"Left out: {label}: {reason}.")
        elif result(run, results) is not None:
            found = [*remarks(run, results), *probe_remarks(results / run.id)]
            sentences += [f"{label}: {remark}." for remark in found]
    return sentences


def undigested(table: Table, results: Path) -> list[str]:
    """Say how many of the runs were made before records had digests; nothing where none was."""
    stored = [found for run, _ in labelled(table) if (found := result(run, results)) is not None]
    old = sum(not has_digests(found) for found in stored)
    if not old:
        return []
    return [
        f"{old} of {len(stored)} runs carry no digests of their records (made by 0.1.0): their "
        "numbers are those of their rounds.jsonl; other changes would not be noticed."
    ]
