"""Numpy kernels under the rules: the same bits for any chunk size and thread count.

Read chunks.py first (walking over long vectors), then coordinatewise.py (medians, trimmed means and
means; its ranks come from sorting_networks.py), geometry.py (norms, inner products, combinations of
updates) and top_k.py.
"""
