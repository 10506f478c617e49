"""The report of a table: printed, as a page, as Markdown, CSV and LaTeX, with figures."""

from experiments.numbers import lines, measured
from experiments.report.cells import cells
from experiments.report.footer import footer
from experiments.report.write import Report, make, write, write_all

__all__ = ["Report", "cells", "footer", "lines", "make", "measured", "write", "write_all"]
