"""Probes measure a trained model without changing it. A short name stands for an import path."""

NAMES = {
    "strip": "fedgroup.probes.strip:Strip",
}
