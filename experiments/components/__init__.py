"""Components by family: which there are, what they must hold, how they are audited.

Read families.py first: one row per family.
"""
