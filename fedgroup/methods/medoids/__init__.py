"""EPIC's medoids: exact greedy facility location, in one dimension and in many."""
