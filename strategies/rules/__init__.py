"""Aggregation rules: one equation, one frozen dataclass, one file.

What a rule is stands in strategies/aggregator.py; trimmed_mean.py is the one to read first. In the
equations w is the global vector, w_i client i's, d_i = w_i - w its update, N the number of admitted
clients, and w' the new global vector; sums and means run over i. A short name stands for an import
path (strategies/__init__.py). `settings` is no rule: it checks their settings.
"""
