"""The report of a table: printed, as a page, as Markdown, CSV and LaTeX, with figures.

In which order to read: `metric_format` says how a number is printed and `columns` lays out the
table; `summary` puts the numbers into words, with `findings` on what methods identify, `verdict` on
what is audited and `across_tables` on several tables; `notes` says what a reader must know beside
the numbers, `provenance` which runs they come from, `separability_rows` what probes measured.
`terminal`, `markdown`, `latex` and `html` are the forms, `write` writes the files.
"""

from experiments.report.columns import cells
from experiments.report.notes import table_notes
from experiments.report.write import Report, make, write, write_all
from experiments.results.measurements import lines, measured

__all__ = ["Report", "cells", "lines", "make", "measured", "table_notes", "write", "write_all"]
