"""From finished run directories to numbers."""
