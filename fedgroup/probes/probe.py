"""What a probe is: a measurement on a finished run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from fedgroup.spec import Component


class Probe(Component, Protocol):
    """A probe component: a frozen dataclass whose fields are its settings."""

    def run(self, folder: Path) -> Mapping[str, Any]:
        """Measure a finished run, without changing it.

        Args:
            folder: The run directory, federated or centralized; finished_run.py reads its task and
                its best model.

        Returns:
            The report: plain values, ready for JSON. Numbers by name under the key "values" become
            columns of tables; where a run does not have one, it is left out.

        Raises:
            FedgroupError: where the run is not finished or the probe does not apply to it.
        """
        ...
