"""GEORGE's clusters of activations (Sohoni et al., NeurIPS 2020, section 4.1).

Read clusters.py first (the clusters of all classes). reduction.py brings the activations of a class
to few dimensions, mixture.py clusters them, silhouette.py chooses how many clusters, overcluster.py
splits them further, and reweight.py measures accuracy over them.
"""
