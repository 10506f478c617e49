"""GEORGE's clusters of activations: reduced, fitted, chosen, split and reweighted."""
