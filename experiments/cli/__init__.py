"""The commands of `fedgroup` and their options.

show.py, run.py, components.py, data.py and doctor.py hold the commands, app.py all of them;
program.py is the program around them (exit codes, output, Ctrl-C); options.py what they share;
table_view.py and data_view.py what they print of tables and data sets.
"""
