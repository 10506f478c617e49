"""How Flower's programs are called: as processes, in containers and at remote sites alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CONNECTION = "deploy"
"""Name of the SuperLink in Flower's config.toml."""
RETRY_SECONDS = 300
"""A SuperNode that cannot reach its SuperLink for so long ends and says why (its own default is to
try for ever)."""
QUIET: Mapping[str, str] = {
    "FLWR_TELEMETRY_ENABLED": "0",
    "FLWR_DISABLE_UPDATE_CHECK": "1",
    "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
"""No calls home, no installation at run time, one thread per client."""


@dataclass(frozen=True)
class SuperLink:
    """One SuperLink; its executor and the ServerApp run beside it as its own children."""

    host: str
    """Address it listens on: 127.0.0.1, or 0.0.0.0 for other machines."""
    port: int
    """Port of its control API."""
    database: Path
    """Its memory of nodes and runs, which survives a restart."""
    keys: Path | None = None
    """Folder `superlink` of deploy.keys; None talks plainly and takes every SuperNode."""

    def command(self) -> list[str]:
        """Return program and arguments."""
        place = [f"--host={self.host}", f"--port={self.port}", f"--database={self.database}"]
        return [
            "flower-superlink",
            *self._trust(),
            *place,
            "--disable-runtime-dependency-installation",
        ]

    def _trust(self) -> list[str]:
        if self.keys is None:
            return ["--insecure"]
        return [
            f"--ssl-ca-certfile={self.keys / 'ca.crt'}",
            f"--ssl-certfile={self.keys / 'superlink.crt'}",
            f"--ssl-keyfile={self.keys / 'superlink.key'}",
            "--enable-supernode-auth",
        ]


@dataclass(frozen=True)
class SuperNode:
    """One SuperNode: who it is, whom it serves, where its data lie."""

    superlink: str
    """host:port."""
    partition: int
    """Partition that it holds, from 0."""
    partitions: int
    """How many there are."""
    port: int
    """Port of its own health address."""
    host: str = "127.0.0.1"
    """Address of its own health address."""
    data_root: str = ""
    """Folder of this site's data files; "" where the data set needs none."""
    keys: Path | None = None
    """Folder `supernode-I` of deploy.keys; None talks plainly and unauthenticated."""

    def command(self) -> list[str]:
        """Return program and arguments."""
        trust = ["--insecure"]
        if self.keys is not None:
            trust = [f"--root-certificates={self.keys / 'ca.crt'}"]
            trust += [f"--auth-supernode-private-key={self.keys / 'key'}"]
        config = f"partition-id={self.partition} num-partitions={self.partitions}"
        if self.data_root:
            config += f' data-root="{self.data_root}"'
        place = [f"--superlink={self.superlink}", f"--host={self.host}", f"--port={self.port}"]
        patience = f"--max-wait-time={RETRY_SECONDS}"
        return ["flower-supernode", *trust, *place, patience, "--node-config", config]


def write_connection(home: Path, address: str, keys: Path | None) -> None:
    """Write config.toml, so that `flwr` and `fedgroup flwr` know the connection `deploy`.

    Args:
        home: The FLWR_HOME to write it to.
        address: host:port of the SuperLink's control API.
        keys: Folder with the authority's ca.crt; None: insecure.
    """
    home.mkdir(parents=True, exist_ok=True)
    trust = (
        "insecure = true" if keys is None else f'root-certificates = "{keys.resolve() / "ca.crt"}"'
    )
    lines = ["[superlink]", f'default = "{CONNECTION}"', "", f"[superlink.{CONNECTION}]"]
    lines += [f'address = "{address}"', trust, ""]
    (home / "config.toml").write_text("\n".join(lines), encoding="utf-8")
