"""Probes: what is measured on a finished run, without changing it. `my_pkg.mod:MyProbe` works too.

Read probe.py first (the Protocol), then strip_probe.py (STRIP, computed in strip.py) and
signals_probe.py (signals.py: what poisons could be told by; separability.py: how far they are).
finished_run.py rebuilds the task and the model of a run.
"""

NAMES = {
    "strip": "fedgroup.probes.strip_probe:StripProbe",
    "signals": "fedgroup.probes.signals_probe:Signals",
}
"""Short name of each probe (fedgroup.probes.probe.Probe)."""
