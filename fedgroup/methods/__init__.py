"""Centralized training methods: robust to groups (JTT, GroupDRO, GEORGE) or to poisons (EPIC).

Read method.py first (what a method is), then erm.py and jtt.py (two of them), central_trainer.py
(what they train with) and central_run.py (a run from start to result). stage.py caches the first
phase that several runs share. `my_pkg.mod:MyMethod` works wherever a short name does.
"""

NAMES = {
    "erm": "fedgroup.methods.erm:ERM",
    "jtt": "fedgroup.methods.jtt:JTT",
    "group_dro": "fedgroup.methods.group_dro:GroupDRO",
    "george": "fedgroup.methods.george:George",
    "epic": "fedgroup.methods.epic:EPIC",
    "epic_then_jtt": "fedgroup.methods.epic_then_jtt:EpicThenJtt",
}
"""Short name of each method (fedgroup.methods.method.TrainingMethod)."""
