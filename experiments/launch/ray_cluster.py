"""Whole runs as Ray tasks on a cluster: each on any machine with room, all in one shared folder.

Progress and results travel through the run directories, so `--results` must be a folder that every
machine sees under the same path, and fedgroup must be installed on each.
"""

from dataclasses import asdict, replace
from typing import Any

from clients.ray_grid import start_ray
from clients.ray_host import import_paths, imported_there
from clients.resources import Resources
from experiments.launch.scheduler import Start
from fedgroup.device import CORES


def on_cluster(resources: Resources) -> Start:
    """Return a function that starts a run on the Ray cluster and returns a handle on it."""
    ray, _ = start_ray(resources)
    gpus = ray.cluster_resources().get("GPU", 0.0)
    # a run with several workers only waits for its clients, whose actors hold the cores and GPUs
    trains_itself = resources.workers == 1
    task = ray.remote(
        max_retries=0,
        max_calls=1,  # a fresh process for every run
        num_cpus=resources.threads if trains_itself else 0,
        num_gpus=(resources.gpus_per_client or 1.0) if trains_itself and gpus else 0,
    )(imported_there("experiments.launch.ray_cluster", "run_here", import_paths()))

    def start(
        text: str, results: str, resources: Resources, environment: dict[str, str]
    ) -> OnCluster:
        inner = replace(resources, ray_address=None)
        variables = environment | {CORES: str(resources.workers * resources.threads)}
        return OnCluster(ray, task.remote(text, results, asdict(inner), variables))

    return start


class OnCluster:
    """A run on the cluster, with the three things that launch() asks of a process."""

    def __init__(self, ray: Any, reference: Any) -> None:
        """Hold Ray's module and the reference of the task."""
        self._ray = ray
        self._reference = reference
        self._code: int | None = None

    @property
    def exitcode(self) -> int | None:
        """Exit code, or None while the run goes on."""
        if self._code is None and self._ray.wait([self._reference], timeout=0)[0]:
            try:
                self._code = self._ray.get(self._reference)
            except self._ray.exceptions.RayError:
                self._code = -9  # its machine or its process is gone
        return self._code

    def terminate(self) -> None:
        """Stop the run; its records stay."""
        self._ray.cancel(self._reference, force=True)

    def join(self) -> None:
        """Wait until it has stopped."""
        self._ray.wait([self._reference], timeout=30)


def run_here(
    text: str, results: str, resources: dict[str, Any], environment: dict[str, str]
) -> int:
    """Run an experiment as the body of a Ray task.

    Args:
        text: The experiment as JSON.
        results: Folder of run directories, the same on every machine.
        resources: What the run may use, as plain values: a task's arguments are read before our
            modules can be imported.
        environment: Variables of the run.

    Returns:
        The exit code of the worker.
    """
    from experiments.launch.worker import work

    try:
        work(text, results, Resources(**resources), environment)
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
