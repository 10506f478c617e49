"""Components by family: which there are, what they must hold, how they are audited."""
