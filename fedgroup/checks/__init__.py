"""Checks of outsiders' components: one suite per family (rules: strategies/checks/rule_checks.py).

    fedgroup check my_pkg.mod:MyAttack

Read runner.py first (what a check is and how suites run), then the file of a family, which ends
with its entry point: check_dataset, check_partition, check_sample_attack, check_update_attack or
check_method. toy_data.py has the data that all of them use.
"""
