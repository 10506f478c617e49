"""Attacks: on samples before training (NAMES), on updates in a federated round (BYZANTINE_NAMES).

Read attack.py (the Protocol) and base_samples.py first, then backdoor.py and subpopulation.py;
gradient_matching/ and updates/ are packages of their own. malicious_clients.py says which clients
the attacker controls. A short name stands for an import path; `my_pkg.mod:MyAttack` works too.
"""

NAMES = {
    "none": "fedgroup.attacks.none:NoAttack",
    "dlbd": "fedgroup.attacks.backdoor:Backdoor",
    "sa": "fedgroup.attacks.subpopulation:Subpopulation",
    "gm": "fedgroup.attacks.gradient_matching.gradient_matching:GradientMatching",
}
"""Short name of each sample-level attack (fedgroup.attacks.attack.Attack)."""

BYZANTINE_NAMES = {
    "none": "fedgroup.attacks.updates.independent:Honest",
    "sign_flip": "fedgroup.attacks.updates.independent:SignFlip",
    "gaussian": "fedgroup.attacks.updates.independent:Gaussian",
    "model_replacement": "fedgroup.attacks.updates.independent:ModelReplacement",
    "cancellation": "fedgroup.attacks.updates.independent:Cancellation",
    "ipm": "fedgroup.attacks.updates.colluding:IPM",
    "alie": "fedgroup.attacks.updates.colluding:ALIE",
    "min_max": "fedgroup.attacks.updates.colluding:MinMax",
    "mimic": "fedgroup.attacks.updates.mimic:Mimic",
}
"""Short name of each update-level attack (fedgroup.attacks.updates.update_attack.UpdateAttack)."""
