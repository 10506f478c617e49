"""The commands of `fedgroup` and their options.

show.py, run.py, components.py and data.py hold the commands; options.py what they share;
table_view.py and data_view.py what they print of tables and data sets.
"""
