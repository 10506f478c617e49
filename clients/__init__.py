"""The client: local training on a shard, and the grids that run clients.

Read local.py first (one client's update), then client_app.py (the Flower ClientApp around it).
grid.py runs clients in this process, ray_grid.py and ray_actor.py run them on Ray actors,
resources.py says on how many, and packing.py takes messages apart for Ray.
"""
