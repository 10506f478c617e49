"""Gradient matching: clean-label poisons (Geiping et al., 2021).

Read gradient_matching.py first (the attack), then matching.py (what is minimised) and descent.py
(how). plan.py draws targets and bases, surrogate.py trains the attacker's network, perturbation.py
bounds what is added to an image, augment.py shifts and flips images, restarts.py stores restarts.
"""
