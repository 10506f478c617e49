"""Reports on the terminal: which tables, and what is printed of each."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from experiments.report.across_tables import overall
from experiments.report.columns import cells
from experiments.report.verdict import Verdict
from experiments.report.write import Report, make, write_all
from experiments.tables.shipped import table_names
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.run_directory import status


def print_reports(
    tables: Sequence[Table], results: Path, select: str, console: Console, name: str = ""
) -> None:
    """Print tables and their summaries, and write their files.

    Args:
        tables: The tables.
        results: Folder of the runs.
        select: Selection rule of the numbers.
        console: Where to print.
        name: Of several tables, the name of the page of all.

    Raises:
        FedgroupError: A table without a finished run, or a figure that cannot be drawn.
    """
    reports = [make(table, results, select) for table in tables]
    for report in reports:
        _print_one(report, console)
    for sentence in overall([(report.table, report.lines) for report in reports]):
        console.print(f"  {escape(sentence)}", soft_wrap=True, highlight=False)
    console.print(_written(write_all(reports, name)), soft_wrap=True, highlight=False)


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
    listing = RichTable(title=escape(table.title), title_justify="left")
    for name in head:
        listing.add_column(
            escape(name),
            justify="left" if name in table.rows[0].label or name == "notes" else "right",
        )
    for row in body:
        listing.add_row(*(escape(text) for text in row))
    console.print(listing)
    for sentence in report.sentences:
        console.print(f"  {escape(sentence)}", soft_wrap=True, highlight=False)
    for note in report.notes:
        console.print(f"  {escape(note)}", style="dim", soft_wrap=True, highlight=False)


def _print_verdict(verdict: Verdict, console: Console) -> None:
    listing = RichTable(
        *(escape(head) for head in verdict.head), title="Verdict", title_justify="left"
    )
    for row in verdict.body:
        listing.add_row(*(escape(text) for text in row))
    console.print(listing)
    for sentence in verdict.sentences:
        console.print(f"  {escape(sentence)}", soft_wrap=True, highlight=False)


def reportable(names: Sequence[str], load: Callable[[str], Table], results: Path) -> list[Table]:
    """Return the tables of a report: the named ones, or for `all` the shipped ones with a run.

    Args:
        names: Names of tables, or `all` alone.
        load: Loads a table by its name.
        results: Folder of the runs.

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
