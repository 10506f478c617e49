"""The machine that a run is on: locks, shared folders, short paths, names of files and modules."""
