"""From finished run directories to numbers.

Read finished_runs.py first (files), then measurements.py (values by row and seed) and statistics.py
(spreads and paired drops).
"""
