"""Tables: YAML files of rows, read into experiments.

Read load.py first: the format of a file, and how its settings lie over each other.
"""
