"""fedgroup: who pays for a poisoning defence? The science; torch and numpy only."""

__version__ = "0.1.0"
