"""Attacks on updates: what malicious clients send to the server instead of what they trained.

Read update_attack.py first (the Protocol), then independent.py (from the attacker's own delta),
colluding.py (from statistics of the honest deltas) and mimic.py (with a state between rounds).
"""
