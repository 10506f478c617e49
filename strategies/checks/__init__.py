"""What every aggregation rule must hold, yours too: `fedgroup check my_pkg.mod:MyRule`."""
