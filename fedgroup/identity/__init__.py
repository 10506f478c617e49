"""What names a run: its settings, the code and files behind them, the version of our arithmetic."""
