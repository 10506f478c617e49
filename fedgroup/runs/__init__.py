"""The run directory: its records, checkpoint and result, and what binds them together."""
