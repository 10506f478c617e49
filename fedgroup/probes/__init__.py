"""Probes measure a finished run without changing it. A short name stands for an import path."""

NAMES = {
    "strip": "fedgroup.probes.measure:StripProbe",
    "signals": "fedgroup.probes.separation:Signals",
}
