"""Where and how runs start.

Read run_tables.py first (what `fedgroup run` does), then scheduler.py (one process per run) and
worker.py (what such a process does). progress.py shows them, memory_estimate.py refuses what does
not fit, ray_cluster.py and flower_run.py start runs elsewhere. processes.py says how a run's
process starts and ends, local_superlink.py what `fedgroup flwr local` starts. doctor.py (`fedgroup
doctor`) examines the machine, with folder_health.py and agreement.py.
"""
