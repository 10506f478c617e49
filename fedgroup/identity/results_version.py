"""The version of our own arithmetic, by package or module: raise it where results change."""

RESULTS_VERSION: dict[str, int] = {
    "fedgroup.train": 1,
    "fedgroup.model": 1,
    "fedgroup.data": 1,
    "fedgroup.partitions": 1,
    "fedgroup.attacks": 1,
    "fedgroup.attacks.updates": 1,
    "fedgroup.methods": 1,
    "fedgroup.probes": 1,
    "strategies.rules": 1,
    "strategies.server": 1,
}
"""Version of our arithmetic, by package or module; 1 where a module is not named.

Raise it by one where equal settings and equal files would give other records than before: a rule,
the training loop, an attack, a partition, a data generator. A key holds for every component of ours
in that package or module (`strategies.rules` for all rules; add `strategies.rules.krum` for Krum's
alone); `fedgroup.train` for every run, `strategies.server` for every federated one,
`fedgroup.methods` for every centralized one. Pictures have versions of their own, which name the
banks too (GENERATOR_VERSION of a drawn data set, DECODER_VERSION of pictures from files): they
enter in the same way, and so does a property `results_version` of a component of ours, where only
some of its settings give other records. Other runs keep their ids.
tests/fedgroup/identity/test_results_version.py fails where this was forgotten.
"""
