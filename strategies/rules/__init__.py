"""Aggregation rules, one equation and one frozen dataclass a file. A short name stands for an import path."""
