"""Experiment: what one table row needs for one seed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from fedgroup.errors import unknown
from fedgroup.spec import build, run_id, to_dict
from fedgroup.task import Task
from strategies.fedavg import FedAvg
from strategies.federation import Federation

PARTS = ("task", "federation")


@dataclass(frozen=True)
class Experiment:
    """A task and how it is federated. Its id names its run directory."""

    task: Task = field(default_factory=Task)
    federation: Federation = field(default_factory=Federation)

    @cached_property
    def id(self) -> str:
        """Name of the run directory: a hash of the settings that differ from their defaults."""
        return run_id({"task": self.task, "federation": self.federation})

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Experiment":
        """Build an experiment from nested settings."""
        for key in values:
            if key not in PARTS:
                raise unknown("part of a spec", key, PARTS)
        return cls(
            build(Task, values.get("task") or {}, "task"),
            build(Federation, values.get("federation") or {}, "federation"),
        )

    def to_dict(self, defaults: bool = True) -> dict[str, Any]:
        """Full settings; without `defaults`, only those that differ from them."""
        return {"task": to_dict(self.task, defaults), "federation": to_dict(self.federation, defaults)}

    def to_json(self) -> str:
        """Full settings as JSON; of(json) gives the same id."""
        return json.dumps(self.to_dict())

    def baseline(self) -> "Experiment":
        """The undefended run that this one is compared with: the same, under plain FedAvg."""
        return replace(self, federation=replace(self.federation, aggregator=FedAvg()))
