"""Reports on the terminal: which tables, and what is printed of each."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table as RichTable

from experiments.console import plain
from experiments.report.across_tables import overall
from experiments.report.columns import cells
from experiments.report.left_out import left_out
from experiments.report.verdict import Verdict
from experiments.report.write import Report, make, write_all
from experiments.results.finished_runs import result
from experiments.results.older_runs import changes
from experiments.tables.shipped import table_names
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.runs.run_directory import status


def print_reports(
    tables: Sequence[Table], results: Path, select: str, console: Console, name: str = ""
) -> int:
    """Print tables and their summaries, and write their files.

    Args:
        tables: The tables.
        results: Folder of the runs.
        select: Selection rule of the numbers.
        console: Where to print.
        name: Of several tables, the name of the page of all.

    Returns:
        How many runs are left out, or have a damaged file beside them.

    Raises:
        FedgroupError: A table without a finished run, or a figure that cannot be drawn. Of several
            tables, one whose finished runs are all damaged is named and left out instead.
    """
    for line in changes(tables, results):
        console.print(line, soft_wrap=True, highlight=False, markup=False)
    unusable = _unusable(tables, results)
    for problem in unusable:
        console.print(plain(f"  {problem}"), soft_wrap=True, highlight=False)
    reports = [make(t, results, select) for t in tables if not unusable or _usable(t, results)]
    for report in reports:
        _print_one(report, console)
    for sentence in overall([(report.table, report.lines) for report in reports]):
        console.print(plain(f"  {sentence}"), soft_wrap=True, highlight=False)
    console.print(plain(_written(write_all(reports, name))), soft_wrap=True, highlight=False)
    return len({*unusable, *(problem for report in reports for problem in report.problems)})


def _usable(table: Table, results: Path) -> bool:
    """Return whether a table has a finished run whose numbers can be used."""
    return any(result(experiment, results) for experiment in table.experiments())


def _unusable(tables: Sequence[Table], results: Path) -> list[str]:
    """Say what is damaged in tables that have no usable run, where another table has one."""
    if not any(_usable(table, results) for table in tables):
        return []
    return [p for table in tables if not _usable(table, results) for p in left_out(table, results)]


def _written(files: Sequence[Path]) -> str:
    """Say where to look: the page of all where there is one, else the files of the only table."""
    *_, last = files
    folders = {file.parent for file in files}
    if len(folders) == 1:
        return f"Written to {last.parent}: {', '.join(file.name for file in files)}"
    return (
        f"Written: {last}, and beside it a folder per table with its page, Markdown, LaTeX, CSV "
        "and figures"
    )


def _print_one(report: Report, console: Console) -> None:
    table, (head, body) = report.table, cells(report.table, report.lines)
    if report.verdict is not None:
        _print_verdict(report.verdict, console)
    listing = RichTable(title=plain(table.title, "table.title"), title_justify="left")
    for name in head:
        listing.add_column(
            plain(name),
            justify="left" if name in table.rows[0].label or name == "notes" else "right",
        )
    for row in body:
        listing.add_row(*(plain(text) for text in row))
    console.print(listing)
    for sentence in report.sentences:
        console.print(plain(f"  {sentence}"), soft_wrap=True, highlight=False)
    for note in report.notes:
        console.print(plain(f"  {note}"), style="dim", soft_wrap=True, highlight=False)


def _print_verdict(verdict: Verdict, console: Console) -> None:
    listing = RichTable(title="Verdict", title_justify="left")
    for head in verdict.head:
        listing.add_column(plain(head))
    for row in verdict.body:
        listing.add_row(*(plain(text) for text in row))
    console.print(listing)
    for sentence in verdict.sentences:
        console.print(plain(f"  {sentence}"), soft_wrap=True, highlight=False)


def reportable(names: Sequence[str], load: Callable[[str], Table], results: Path) -> list[Table]:
    """Return the tables of a report: the named ones, or for `all` the shipped ones with a run.

    Args:
        names: Names of tables, or `all` alone.
        load: Loads a table by its name.
        results: Folder of the runs.

    Returns:
        The tables in the order of their names as given; for `all`, by number.

    Raises:
        FedgroupError: A table that is named twice, `all` beside names, or no table with a finished
            run.
    """
    if "all" not in names:
        tables = [load(name) for name in names]
        doubled = [
            name for name, times in Counter(table.name for table in tables).items() if times > 1
        ]
        if doubled:
            raise FedgroupError(
                f"table {doubled[0]} is named twice: one report would overwrite the other"
            )
        return tables
    if len(names) > 1:
        raise FedgroupError("`all` stands for every table: give it alone, or name the tables")
    tables, left = [], []
    for name in sorted(table_names(), key=_by_number):
        try:
            table = load(name)
        except FedgroupError as error:  # a scale or a data set that this table has not
            left.append(str(error))
            continue
        if any(status(results / e.id) == "done" for e in table.experiments()):
            tables.append(table)
    if not tables:
        reason = f"; {left[0]}" if left else ""
        raise FedgroupError(
            f"no table has a finished run in {results}: start with `fedgroup run demo`{reason}"
        )
    return tables


def _by_number(name: str) -> tuple[str, int]:
    """Return a key that sorts table2 before table10."""
    word = name.rstrip("0123456789")
    return word, int(name[len(word) :] or 0)
