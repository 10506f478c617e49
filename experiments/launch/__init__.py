"""Where and how runs start: processes, workers, a cluster, Flower; memory and progress."""
