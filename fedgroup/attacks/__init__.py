"""Attacks: on samples before training (NAMES) and on the updates of a federated round (BYZANTINE_NAMES)."""

NAMES = {
    "none": "fedgroup.attacks.none:NoAttack",
    "dlbd": "fedgroup.attacks.backdoor:Backdoor",
    "sa": "fedgroup.attacks.subpopulation:Subpopulation",
    "gm": "fedgroup.attacks.gradient_matching:GradientMatching",
}
"""Short name of each sample-level attack (fedgroup.attacks.attack.Attack)."""

BYZANTINE_NAMES = {
    "none": "fedgroup.attacks.none:Honest",
    "sign_flip": "fedgroup.attacks.byzantine:SignFlip",
    "gaussian": "fedgroup.attacks.byzantine:Gaussian",
    "model_replacement": "fedgroup.attacks.byzantine:ModelReplacement",
    "cancellation": "fedgroup.attacks.byzantine:Cancellation",
    "ipm": "fedgroup.attacks.byzantine_collusion:IPM",
    "alie": "fedgroup.attacks.byzantine_collusion:ALIE",
    "min_max": "fedgroup.attacks.byzantine_collusion:MinMax",
    "mimic": "fedgroup.attacks.byzantine_mimic:Mimic",
}
"""Short name of each update-level attack (fedgroup.attacks.byzantine.UpdateAttack)."""
