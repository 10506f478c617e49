"""A Flower Grid on Ray actors: several clients train at once, on this machine or on a cluster.

The records are those of the in-process grid bit for bit: a client's result depends on the message
alone, and the server sorts replies by partition id. The global vector is put into Ray's object
store once per round and read there without a copy; client vectors come back the same way.
"""

import logging
import os
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from flwr.app import Error, Message, RecordDict

from clients.grid import CLIENT_APP_RAISED, ClientGrid
from clients.packing import Packed, pack, unpack
from clients.ray_host import import_paths, imported_there, short_folder
from clients.resources import Resources
from fedgroup.device import VARIABLE, pick
from fedgroup.errors import FedgroupError

START_SECONDS = 180.0
"""Longest wait for the first worker to start."""
TRIES = 2
"""A client whose worker dies or runs out of memory is tried again once, on a fresh worker."""


@dataclass
class Job:
    """One message on its way to a client."""

    message: Message
    content: Any
    """Ray reference of the packed records, shared by all messages of a round."""
    tries: int = 0


class RayGrid(ClientGrid):
    """Clients on `resources.workers` actors, which die and are replaced without ending the run."""

    def __init__(self, app: str, clients: int, resources: Resources) -> None:
        """Start Ray and the actors.

        Args:
            app: Import path of the ClientApp, `module:name`.
            clients: Number of clients.
            resources: How many actors, where, and with how much each.
        """
        super().__init__(clients)
        self.lanes = resources.workers
        self._app = app
        self._resources = resources
        self._ray, self._own = start_ray(resources)
        self._gpus = self._share_of_gpu()
        self._states: dict[int, Packed] = {}
        self._idle = [self._spawn() for _ in range(resources.workers)]
        self._await_start()

    def answer(self, messages: Sequence[Message], timeout: float | None = None) -> list[Message]:
        """Spread the messages over the actors; leave late ones out and replace their actors."""
        shared: dict[int, Any] = {}
        for message in messages:
            if id(message.content) not in shared:
                shared[id(message.content)] = self._ray.put(pack(message.content))
        waiting = deque(Job(message, shared[id(message.content)]) for message in messages)
        running: dict[Any, tuple[Any, Job]] = {}
        replies: list[Message] = []
        deadline = None if timeout is None else time.monotonic() + timeout
        while waiting or running:
            while waiting and self._idle:
                self._send(waiting.popleft(), running)
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _ = self._ray.wait(list(running), timeout=left)
            if not ready:
                break
            actor, job = running.pop(ready[0])
            reply = self._receive(ready[0], actor, job)
            if reply is None:
                waiting.appendleft(job)
            else:
                replies.append(reply)
        for actor, _ in running.values():
            self._replace(actor)
        return replies

    def close(self) -> None:
        """End the actors, and Ray where this grid started it."""
        for actor in self._idle:
            self._ray.kill(actor)
        if self._own:
            self._ray.shutdown()

    def _send(self, job: Job, running: dict[Any, tuple[Any, Job]]) -> None:
        actor = self._idle.pop()
        job.tries += 1
        data = job.message.metadata
        state = self._states.get(data.dst_node_id, {})
        reference = actor.answer.remote(
            job.content, data.message_type, data.dst_node_id, data.group_id, state
        )
        running[reference] = (actor, job)

    def _receive(self, reference: Any, actor: Any, job: Job) -> Message | None:
        """Return the reply of a finished call; None where the client is to be tried again."""
        try:
            outcome, value, state = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            outcome, value, state = "died", _first_line(error), None
        if outcome in ("died", "memory"):
            self._replace(actor)
            if job.tries < TRIES:
                return None
            words = "its worker died" if outcome == "died" else "it ran out of memory"
            value = f"{words} in {TRIES} tries ({value})"
        else:
            self._idle.append(actor)
            if state:
                self._states[job.message.metadata.dst_node_id] = state
        if outcome == "ok":
            content: RecordDict = unpack(value)
            return Message(content, reply_to=job.message)
        return Message(Error(CLIENT_APP_RAISED, value), reply_to=job.message)

    def _replace(self, actor: Any) -> None:
        self._ray.kill(actor)
        self._idle.append(self._spawn())

    def _spawn(self) -> Any:
        environment = {name: os.environ[name] for name in ("FEDGROUP_CACHE",) if name in os.environ}
        environment[VARIABLE] = pick().type if self._gpus else "cpu"
        remote = self._ray.remote(num_cpus=self._resources.threads, num_gpus=self._gpus)(
            _actor_class()
        )
        paths = import_paths()
        return remote.remote(self._app, self._clients, self._resources.threads, paths, environment)

    def _share_of_gpu(self) -> float:
        """Return the GPU share of one actor, checked against what the cluster has."""
        have = self._ray.cluster_resources()
        gpus = have.get("GPU", 0.0)
        asked = self._resources.gpus_per_client
        if asked is None:
            share = gpus / self._resources.workers if pick().type == "cuda" else 0.0
            # Ray gives out whole GPUs above one, and fractions below
            share = float(int(share)) if share > 1 else int(share * 10_000) / 10_000
        else:
            share = asked
        need_cpus = self._resources.workers * self._resources.threads
        if need_cpus > have.get("CPU", 0.0) or share * self._resources.workers > gpus + 1e-9:
            raise FedgroupError(
                f"{self._resources.workers} workers with {self._resources.threads} thread(s) and "
                f"{share:g} GPU each do not fit into {have.get('CPU', 0.0):g} CPUs and {gpus:g} "
                f"GPUs: lower --workers or --gpus-per-client"
            )
        return share

    def _await_start(self) -> None:
        """Wait until every actor answers: a broken worker is reported before the first round."""
        calls = [actor.process_id.remote() for actor in self._idle]
        try:
            self.processes: list[int] = self._ray.get(calls, timeout=START_SECONDS)
        except self._ray.exceptions.GetTimeoutError:
            self.close()
            raise FedgroupError(
                f"Ray's workers did not start within {START_SECONDS:.0f} s: is the cluster busy "
                f"with other jobs? (see `ray status`)"
            ) from None
        except self._ray.exceptions.RayError as error:
            self.close()
            raise FedgroupError(
                f"a worker could not start ({_first_line(error)}): every machine of the cluster "
                f"needs fedgroup installed"
            ) from error


def _actor_class() -> type[Any]:
    """Return ray_actor.ClientActor as a class that workers need not import to receive it."""
    make = imported_there("clients.ray_actor", "ClientActor", import_paths())

    class Worker:
        def __init__(self, *arguments: Any) -> None:
            self._actor = make(*arguments)

        def process_id(self) -> int:
            return int(self._actor.process_id())

        def answer(self, *message: Any) -> Any:
            return self._actor.answer(*message)

    return Worker


def start_ray(resources: Resources) -> tuple[Any, bool]:
    """Connect to Ray, or start it quietly on this machine.

    Returns the module `ray` and whether this process connected or started it, and so has to end it.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    if ray.is_initialized():
        return ray, False
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if resources.ray_address is not None:
        try:
            ray.init(address=resources.ray_address, **quiet)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise FedgroupError(
                f"no Ray cluster answers at '{resources.ray_address}' ({_first_line(error)}): "
                f"start one with `ray start --head`, or leave --ray-address out"
            ) from error
        return ray, True
    ray.init(
        address="local",
        num_cpus=resources.workers * resources.threads,
        include_dashboard=False,
        _temp_dir=short_folder(),
        **quiet,
    )
    return ray, True


@contextmanager
def shared_ray(resources: Resources, runs: int) -> Iterator[Resources]:
    """Start one Ray for several runs side by side; yield the resources that lead to it."""
    if resources.workers == 1 or resources.ray_address is not None:
        yield resources
        return
    ray, own = start_ray(replace(resources, workers=resources.workers * runs))
    try:
        yield replace(resources, ray_address=ray.get_runtime_context().gcs_address)
    finally:
        if own:
            ray.shutdown()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else type(error).__name__
