"""Write reports: text, then figures, then the page: nothing is lost when a figure fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.report.across_tables import overall
from experiments.report.columns import lay_out
from experiments.report.csv_text import as_csv
from experiments.report.footnotes import footnotes
from experiments.report.html import Picture, Section, page, picture
from experiments.report.latex import latex
from experiments.report.left_out import left_out
from experiments.report.markdown import markdown
from experiments.report.notes import finished_runs, spread_note, table_notes
from experiments.report.provenance import provenance
from experiments.report.separability_rows import signal_frame, signal_rows
from experiments.report.summary import summary
from experiments.report.verdict import Verdict, verdict
from experiments.results.frames import frame, summary_frame
from experiments.results.measurements import Line, lines
from experiments.tables.table import Table
from fedgroup.errors import FedgroupError
from fedgroup.host.file_names import file_name
from fedgroup.host.sharing import make_folder, why
from fedgroup.storage import exclusive, write_text


@dataclass(frozen=True)
class Report:
    """A table with its numbers and its words, ready to be printed or written."""

    table: Table
    results: Path
    select: str
    lines: Sequence[Line]
    sentences: Sequence[str]
    notes: Sequence[str]
    signals: Sequence[Sequence[str]]
    """Rows of the separability report; empty where no run was probed."""
    verdict: Verdict | None
    """On what is audited."""
    problems: Sequence[str] = ()
    """Runs that are left out and files that are damaged; they stand in the sentences too."""

    @property
    def folder(self) -> Path:
        """Where its files go."""
        return self.results / "reports" / self.name

    @property
    def name(self) -> str:
        """What its folder, page and LaTeX file are called: the table's name, if it can be."""
        return file_name(self.table.name)


def make(table: Table, results: Path, select: str) -> Report:
    """Read a table's runs.

    Args:
        table: The table.
        results: Folder of the runs.
        select: Selection rule of the numbers.

    Returns:
        The report, ready to be printed or written.

    Raises:
        FedgroupError: An unknown selection rule, or a table without a finished run.
    """
    rows = lines(table, results, select)
    finished_runs(table, results)
    problems = left_out(table, results)
    return Report(
        table=table,
        results=results,
        select=select,
        lines=rows,
        sentences=[*problems, *summary(table, rows)],
        notes=table_notes(table, rows, results, select),
        signals=signal_rows(table, results),
        verdict=verdict(table, rows, results),
        problems=problems,
    )


def write(table: Table, results: Path, select: str) -> list[Path]:
    """Write the report of one table as `write_all` does, and return the files.

    Args:
        table: The table.
        results: Folder of the runs.
        select: Selection rule of the numbers.

    Returns:
        The files.
    """
    return write_all([make(table, results, select)])


def write_all(reports: Sequence[Report], name: str = "") -> list[Path]:
    """Write every table's files, and where there are several one page of all.

    A figure that fails stops nothing else: the error comes when everything is written.

    Args:
        reports: The tables.
        name: Name of the page of all, without suffix.

    Returns:
        The files.

    Raises:
        FedgroupError: A figure that cannot be drawn, or a file that cannot be written.
    """
    folder = reports[0].results / "reports"
    remedy = "copy the results to a writable folder, and report them there with --results"
    with exclusive(folder / "reports", remedy):  # of two commands one after the other
        return _write_in_turn(reports, name)


def _write_in_turn(reports: Sequence[Report], name: str) -> list[Path]:
    files: list[Path] = []
    sections: list[Section] = []
    for report in reports:
        files += _texts(report)
    for report in reports:
        drawn, pictures, failed = draw_figures(report)
        section = _section(report, pictures, failed)
        sections.append(section)
        files += [
            *drawn,
            _put(report.folder / f"{report.name}.html", page(section.title, [section])),
        ]
    if len(reports) > 1:
        words = overall([(report.table, report.lines) for report in reports])
        whole = page(f"{len(reports)} tables", sections, words)
        files.append(_put(reports[0].results / "reports" / f"{file_name(name)}.html", whole))
    problems = [problem for section in sections for problem in section.missing]
    if problems:
        raise FedgroupError(
            f"{'; '.join(problems)}; everything else is written to {files[0].parent.parent}"
        )
    return files


def _texts(report: Report) -> list[Path]:
    """Write Markdown, LaTeX and CSV."""
    table, rows = report.table, report.lines
    texts = {
        "report.md": markdown(
            table, rows, report.sentences, report.notes, report.signals, report.verdict
        ),
        f"{report.name}.tex": latex(table, rows, report.notes[: 2 + len(footnotes(table, rows))]),
        "summary.csv": as_csv(summary_frame(table, report.results)),
        "runs.csv": as_csv(frame(table, report.results)),
    }
    if report.signals:
        texts["signals.csv"] = as_csv(signal_frame(table, report.results))
    return [_put(report.folder / name, text) for name, text in texts.items()]


def draw_figures(report: Report) -> tuple[list[Path], list[Picture], list[str]]:
    """Draw every figure that applies.

    Returns:
        The files, what the page shows, and one line per figure that failed.
    """
    from experiments.figures import FIGURES
    from experiments.figures.style import FORMATS

    drawn: list[Path] = []
    pictures, failed = [], []
    for name, figure in FIGURES.items():
        path = report.folder / name
        files = [path.with_name(name + end) for end in FORMATS]
        try:
            if figure.applies(report.table, report.lines, report.results):
                figure.draw(report.table, report.lines, report.results, path)
                drawn += files
                caption = figure.caption(report.lines)
                pictures.append(picture(name, figure.title, caption, report.folder))
            else:
                for file in files:  # of other runs or another rule, drawn earlier
                    file.unlink(missing_ok=True)
        # whatever it is, the other figures and the text are worth having
        except Exception as error:
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            failed.append(
                f"the figure {name} of table {report.table.name} cannot be drawn ({reason})"
            )
    return drawn, pictures, failed


def _section(report: Report, drawn: Sequence[Picture], failed: Sequence[str]) -> Section:
    """Return what the page says about a table.

    Args:
        report: The table's report.
        drawn: Its figures.
        failed: One line per figure that failed.
    """
    table, title = report.table, report.table.title or report.table.name
    spread = spread_note(table, report.lines)
    return Section(
        name=table.name,
        title=title,
        note=table.note,
        sentences=report.sentences,
        layout=lay_out(table, report.lines),
        notes=report.notes,
        signals=report.signals,
        caption=f"{title}. {spread} Selection: {report.select}.",
        against=table.against,
        verdict=report.verdict,
        pictures=drawn,
        missing=failed,
        runs=provenance(table, report.results),
    )


def _put(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    try:
        make_folder(path.parent)
        write_text(path, text)
    except OSError as error:
        raise FedgroupError(f"cannot write the report to {path} ({why(error)})") from error
    return path
