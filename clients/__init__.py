"""The client: local training on a shard, and the grids that run clients."""
