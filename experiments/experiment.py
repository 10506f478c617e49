"""Experiment: what one table row needs for one seed."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from fedgroup.attacks.attack import wants_reference
from fedgroup.errors import unknown
from fedgroup.identity.run_identity import Identity, identity
from fedgroup.methods.central_run import Central
from fedgroup.methods.method import TrainingMethod
from fedgroup.spec import build, to_dict
from fedgroup.task import Task
from strategies.federation import Federation
from strategies.rules.fedavg import FedAvg

PARTS = ("task", "federation", "method")
"""Keys of an experiment's settings."""


@dataclass(frozen=True)
class Experiment:
    """A task and how it is trained: federated, or by one centralized method.

    Its id names its run directory.
    """

    task: Task = field(default_factory=Task)
    """Data, attack, partition, model, local training and seed."""
    federation: Federation = field(default_factory=Federation)
    """Not used, and no part of the id, where there is a method."""
    method: TrainingMethod | None = None
    """A centralized training method (erm, jtt, group_dro, george, ...) or None."""
    kept: Callable[[Identity], str] | None = field(default=None, compare=False, repr=False)
    """Names the directory of the run where an older one may stand for it (`--stale`)."""

    @cached_property
    def id(self) -> str:
        """Name of the run directory: of what the run depends on, or of the kept older run."""
        return self.kept(self.identity) if self.kept is not None else self.identity.id

    @cached_property
    def identity(self) -> Identity:
        """What the run depends on: settings, code, files, versions of our arithmetic."""
        if self.method is None:
            return identity({"task": self.task, "federation": self.federation})
        return identity({"task": self.task, "central": Central(self.method)})

    def spec(self) -> dict[str, Any]:
        """Return what spec.json holds of a run made now."""
        return self.identity.spec(self.to_dict())

    @property
    def rounds(self) -> int:
        """Records after the start: communication rounds, or epochs of the final training."""
        return self.federation.rounds if self.method is None else self.task.train.epochs

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Experiment":
        """Build an experiment from nested settings; refuse a key that is no part of one."""
        for key in values:
            if key not in PARTS:
                raise unknown("part of a spec", key, PARTS)
        method = values.get("method")
        return cls(
            build(Task, values.get("task", {}), "task"),
            build(Federation, values.get("federation", {}), "federation"),
            None if method is None else build(Central, {"method": method}).method,
        )

    def to_dict(self, defaults: bool = True) -> dict[str, Any]:
        """Return the full settings; without `defaults`, only those that differ from them."""
        settings = {"task": to_dict(self.task, defaults)}
        if self.method is None:
            return settings | {"federation": to_dict(self.federation, defaults)}
        return settings | {"method": "erm"} | to_dict(Central(self.method), defaults)

    def to_json(self) -> str:
        """Return the full settings as JSON, of which an experiment of the same id can be built."""
        return json.dumps(self.to_dict())

    def reference(self) -> "Experiment | None":
        """Return the clean run that an attack's success is compared with; None where none is."""
        if not self.task.inject or not wants_reference(self.task.attack):
            return None
        return replace(self, task=replace(self.task, inject=False))

    def baseline(self) -> "Experiment":
        """Return the undefended run that this one is compared with: the same under plain FedAvg.

        A centralized method has none: its cases are compared with each other.
        """
        if self.method is not None:
            return self
        return replace(self, federation=replace(self.federation, aggregator=FedAvg()))
