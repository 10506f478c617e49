"""The floor: federated averaging written by hand in PyTorch, over the same batches, without any
platform."""

import sys
import time
from typing import Any

import torch

from benchmarks.rounds_case import SEED, Case, device, flat, train_plainly, wait_for_device
from benchmarks.rounds_turns import Turns, keep_theta, per_round, serve
from fedgroup.seeding import rng

State = dict[str, torch.Tensor]


def one_round(
    net: torch.nn.Module, state: State, shards: Any, cohort: Any, number: int, case: Case
) -> State:
    total: State = {}
    for client in cohort:
        net.load_state_dict(state)
        if case.train:
            train_plainly(net, *shards[client], case, rng(SEED, "local", number, int(client)))
        for name, value in net.state_dict().items():
            if name in total and value.is_floating_point():
                total[name] += value
            else:
                total[name] = value.clone()
    return {k: v / len(cohort) if v.is_floating_point() else v for k, v in total.items()}


def main() -> None:
    case, theta = Case.from_json(sys.argv[1]), sys.argv[2]
    turns = Turns()
    where = device()
    net = case.network().to(where).to(memory_format=torch.channels_last)
    initial = {name: value.clone() for name, value in net.state_dict().items()}
    shards = [case.shard(client, where) for client in range(case.clients)] if case.train else []

    def block() -> dict[str, Any]:
        state, stamps = initial, [time.perf_counter()]
        for number, cohort in enumerate(case.cohorts(), 1):
            state = one_round(net, state, shards, cohort, number, case)
            wait_for_device()
            stamps.append(time.perf_counter())
        net.load_state_dict(state)
        keep_theta(theta, flat(net))
        return {"seconds": per_round(stamps, case.settle)}

    serve(block, turns)


if __name__ == "__main__":
    main()
