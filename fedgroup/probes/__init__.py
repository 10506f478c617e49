"""Probes measure a finished run without changing it. A short name stands for an import path."""

NAMES = {
    "strip": "fedgroup.probes.strip_probe:StripProbe",
    "signals": "fedgroup.probes.signals_probe:Signals",
}
