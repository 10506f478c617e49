"""EPIC's medoids: exact greedy facility location, in one dimension and in many.

Read facility_location.py first (one class), then class_clusters.py (all classes). fixed_point.py
says why the result has one set of bits; one_dimension.py and blocks.py compute it for two classes
and for more, both with lazy_greedy.py.
"""
