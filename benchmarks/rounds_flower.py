"""Flower's stock simulation: run_simulation on Ray with FedAvg, one actor per core.

Its cohorts are its own: it draws random node ids. The simulation is started once and waits for its
turns between rounds, so its start-up (7 to 20 s) is not timed.
"""

import logging
import sys
import time

from flwr.app import ArrayRecord, ConfigRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg
from flwr.simulation import run_simulation

from benchmarks.rounds_case import Case
from benchmarks.rounds_flower_client import app as client_app
from benchmarks.rounds_turns import Turns, per_round


def server_app(case: Case, turns: Turns) -> ServerApp:
    app = ServerApp()
    length = case.settle + case.rounds
    stamps: list[float] = []

    def after_round(number: int, _: ArrayRecord) -> None:
        if number == 0:
            turns.say(ready=True)
        stamps.append(time.perf_counter())
        if number % length:
            return
        if number:
            turns.say(seconds=per_round(stamps, case.settle))
        if number < length * case.blocks and not turns.wait():
            raise EOFError("the benchmark went away")
        stamps[:] = [time.perf_counter()]

    @app.main()
    def main(grid: Grid, context: Context) -> None:
        while len(list(grid.get_node_ids())) < case.clients:
            time.sleep(0.1)
        strategy = FedAvg(fraction_train=case.per_round / case.clients, fraction_evaluate=0.0)
        strategy.start(
            grid,
            ArrayRecord(case.network().state_dict()),
            num_rounds=length * case.blocks,
            train_config=ConfigRecord({"case": case.to_json()}),
            evaluate_fn=after_round,
        )

    return app


def main() -> None:
    case = Case.from_json(sys.argv[1])
    turns = Turns()
    logging.getLogger("flwr").setLevel(logging.WARNING)
    run_simulation(
        server_app(case, turns),
        client_app,
        num_supernodes=case.clients,
        backend_config={"client_resources": {"num_cpus": 1, "num_gpus": 0.0}},
    )


if __name__ == "__main__":
    main()
