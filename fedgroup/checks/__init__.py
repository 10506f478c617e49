"""What every component must hold, yours too: one suite of checks per family (rules: strategies/checks.py).

    fedgroup check my_pkg.mod:MyAttack

A check is a function that raises AssertionError with what it saw and what to do; its docstring is its
question.
"""
