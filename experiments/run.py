"""Run one experiment in this process."""

import logging
from pathlib import Path

from flwr.app import Context, RecordDict
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from clients.client_app import app as client_app
from clients.grid import SERVER_NODE, ClientGrid, LocalGrid
from clients.resources import Resources
from experiments.experiment import Experiment
from fedgroup.methods.central_run import centralise
from fedgroup.task import assign_clients
from strategies.server_app import app as server_app


def run(experiment: Experiment, results: Path, resources: Resources | None = None) -> Path:
    """Run (or finish) an experiment through the real ServerApp and ClientApp.

    Args:
        experiment: What to run.
        results: Folder of run directories.
        resources: What the run may use; default: one thread, no Ray.

    Returns:
        The run directory.
    """
    with threadpool_limits(1, user_api="blas"):  # sums by several threads differ in the last bit
        return _run(experiment, results, resources or Resources())


def _run(experiment: Experiment, results: Path, resources: Resources) -> Path:
    if experiment.method is not None:
        return centralise(experiment.task, experiment.method, results)
    logging.getLogger("flwr").setLevel(logging.WARNING)
    grid = _grid(experiment, resources)
    try:
        config = {"spec": experiment.to_json(), "results": str(results.resolve())}
        context = Context(
            run_id=1,
            node_id=SERVER_NODE,
            node_config={},
            state=RecordDict(),
            run_config=dict(config),
        )
        server_app(grid, context)
    finally:
        grid.close()
    return results / experiment.id


def _grid(experiment: Experiment, resources: Resources) -> ClientGrid:
    """Return Flower's Grid of the experiment's clients: in this process, or on Ray."""
    clients = len(assign_clients(experiment.task))
    if not resources.needs_ray:
        return LocalGrid(client_app, clients)
    from clients.ray_grid import RayGrid

    return RayGrid("clients.client_app:app", clients, resources)
