"""Gradient matching (Geiping et al., 2021): the attack, its inner problem and its restarts."""
