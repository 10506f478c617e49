"""BlazeFL: its FedAvg server handler and its thread pool, one thread per core. Needs Python
3.14."""

import os
import sys
import threading
import time
from typing import Any

import torch
from blazefl.contrib import FedAvgBaseServerHandler, FedAvgDownlinkPackage, FedAvgUplinkPackage
from blazefl.core import ThreadPoolClientTrainer, deserialize_model, serialize_model

from benchmarks.rounds_case import SEED, Case, device, flat, train_plainly, wait_for_device
from benchmarks.rounds_turns import Turns, keep_theta, per_round, serve
from fedgroup.seeding import rng


class Networks:
    """BlazeFL's model selector: every name is the case's network."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def select_model(self, model_name: str) -> torch.nn.Module:
        return self.case.network()


class Server(FedAvgBaseServerHandler):
    """The contributed handler, with the cohorts every contender gets."""

    def __init__(self, case: Case) -> None:
        super().__init__(
            model_selector=Networks(case),
            model_name=case.model,
            dataset=None,
            global_round=case.settle + case.rounds,
            num_clients=case.clients,
            sample_ratio=(case.per_round + 0.5) / case.clients,  # it truncates the product
            device=device().type,
            batch_size=case.batch,
            seed=SEED,
        )
        self.cohorts = case.cohorts()

    def sample_clients(self) -> list[int]:
        return [int(client) for client in self.cohorts[self.round]]


class Trainer(ThreadPoolClientTrainer[FedAvgUplinkPackage, FedAvgDownlinkPackage]):
    """Clients in threads; every thread keeps one network."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.num_parallels = os.cpu_count() or 1
        self.device = device().type
        self.device_count = torch.cuda.device_count()
        self.cache: list[FedAvgUplinkPackage] = []
        self.stop_event = threading.Event()
        self.held = threading.local()
        self.round = 0
        clients = range(case.clients) if case.train else []
        self.shards = {client: case.shard(client, device()) for client in clients}

    def worker(
        self, cid: int, device: str, payload: FedAvgDownlinkPackage, stop_event: threading.Event
    ) -> FedAvgUplinkPackage:
        parameters = payload.model_parameters
        if self.case.train:
            if not hasattr(self.held, "net"):
                self.held.net = self.case.network().to(device)
            deserialize_model(self.held.net, parameters)
            generator = rng(SEED, "local", self.round, cid)
            train_plainly(self.held.net, *self.shards[cid], self.case, generator)
            parameters = serialize_model(self.held.net)
        return FedAvgUplinkPackage(cid, parameters, self.case.samples)

    def uplink_package(self) -> list[FedAvgUplinkPackage]:
        package, self.cache = self.cache, []
        return package


def main() -> None:
    case, theta = Case.from_json(sys.argv[1]), sys.argv[2]
    turns = Turns()
    trainer = Trainer(case)

    def block() -> dict[str, Any]:
        server = Server(case)
        stamps = [time.perf_counter()]
        while not server.is_stopped():
            trainer.round = server.round + 1
            trainer.local_process(server.downlink_package(), server.sample_clients())
            for package in trainer.uplink_package():
                server.load(package)
            wait_for_device()
            stamps.append(time.perf_counter())
        keep_theta(theta, flat(server.model))
        return {"seconds": per_round(stamps, case.settle)}

    serve(block, turns)


if __name__ == "__main__":
    main()
