"""A ClientApp that misbehaves on purpose; how is told by $FEDGROUP_TROUBLE/plan.json: round -> partition -> kind."""

import json
import os
import time
from pathlib import Path

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message
from flwr.clientapp import ClientApp

from clients.client_app import app as real
from fedgroup.update import ARRAYS, METRICS

app = ClientApp()


@app.query()
def who(message: Message, context: Context) -> Message:
    return real(message=message, context=context)


@app.train()
def train(message: Message, context: Context) -> Message:
    folder = Path(os.environ["FEDGROUP_TROUBLE"])
    number, partition = message.metadata.group_id, str(context.node_config["partition-id"])
    kind = json.loads((folder / "plan.json").read_text()).get(number, {}).get(partition)
    if kind == "silent":
        (folder / f"silent-{number}-{partition}").touch()
        time.sleep(3600)
    if kind == "raise":
        raise RuntimeError("a site's own fault")
    reply = real(message=message, context=context)
    if kind in ("nan", "shape"):
        arrays = {
            name: array.numpy() for name, array in reply.content.array_records[ARRAYS].items()
        }
        theta = arrays["theta"].copy()
        theta[0] = np.nan
        arrays["theta"] = theta if kind == "nan" else theta[1:]
        reply.content[ARRAYS] = ArrayRecord({name: Array(array) for name, array in arrays.items()})
    if kind == "count":
        reply.content.metric_records[METRICS]["num-examples"] = 10**18
    return reply
