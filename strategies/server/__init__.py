"""The rounds of a federated run, inside Flower.

Read federated_run.py first (start or checkpoint, rounds, result), then flower_strategy.py (one
round). Before the rounds: preflight.py checks task and federation together, node_map.py asks which
node holds which partition. In a round: admission.py refuses replies, byzantine_clients.py forges,
root_training.py trains for rules that need it, batchnorm.py aggregates the statistics, influence.py
and round_log.py say what happened. messages.py and partition_grid.py are where Flower is touched.
"""
