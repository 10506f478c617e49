"""The ClientApp of Flower's stock simulation: state dict in, local training, state dict out."""

from functools import cache, lru_cache
from typing import Any

import torch
from flwr.app import ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from benchmarks.rounds_case import SEED, Case, device, train_plainly
from fedgroup.seeding import rng

app = ClientApp()


@app.train()
def train(message: Message, context: Context) -> Message:
    arrays = message.content["arrays"]
    config = message.content["config"]
    case = Case.from_json(config["case"])
    client = int(context.node_config["partition-id"])
    if case.train:
        net = network(case)
        net.load_state_dict(arrays.to_torch_state_dict())
        x, y = shard(case, client)
        train_plainly(net, x, y, case, rng(SEED, "local", int(config["server-round"]), client))
        arrays = ArrayRecord(net.state_dict())
    metrics = MetricRecord({"num-examples": case.samples})
    return Message(content=RecordDict({"arrays": arrays, "metrics": metrics}), reply_to=message)


@lru_cache(maxsize=1)
def network(case: Case) -> torch.nn.Module:
    return case.network().to(device()).to(memory_format=torch.channels_last)


@cache
def shard(case: Case, client: int) -> Any:
    return case.shard(client, device())
