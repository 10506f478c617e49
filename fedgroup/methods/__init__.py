"""Centralized training methods. A short name stands for an import path; `my_pkg.mod:MyMethod` works too."""

NAMES = {
    "erm": "fedgroup.methods.erm:ERM",
    "jtt": "fedgroup.methods.jtt:JTT",
    "group_dro": "fedgroup.methods.group_dro:GroupDRO",
    "george": "fedgroup.methods.george:George",
    "epic": "fedgroup.methods.epic:EPIC",
    "epic_then_jtt": "fedgroup.methods.epic_then_jtt:EpicThenJtt",
}
