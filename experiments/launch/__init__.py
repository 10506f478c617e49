"""Where and how runs start.

Read run_tables.py first (what `fedgroup run` does), then scheduler.py (one process per run) and
worker.py (what such a process does). progress.py shows them, memory_estimate.py refuses what does
not fit, ray_cluster.py and flower_run.py start runs elsewhere.
"""
