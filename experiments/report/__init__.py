"""The report of a table: printed, as a page, as Markdown, CSV and LaTeX, with figures."""

from experiments.report.columns import cells
from experiments.report.notes import footer
from experiments.report.write import Report, make, write, write_all
from experiments.results.measurements import lines, measured

__all__ = ["Report", "cells", "footer", "lines", "make", "measured", "write", "write_all"]
