"""Attacks on updates: what malicious clients send in place of the update they trained."""
