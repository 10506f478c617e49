"""What a container runs: its environment says which of Flower's own programs it becomes.

python -m deploy.container superlink | supernode

    FEDGROUP_KEYS        folder of this container's certificates and keys; unset: insecure
    FEDGROUP_SUPERLINK   host:port of the SuperLink                     (SuperNode)
    FEDGROUP_PARTITION   the partition this site holds, from 0          (SuperNode)
    FEDGROUP_PARTITIONS  how many there are                             (SuperNode)
    FEDGROUP_DATA_ROOT   folder of this site's data files, if any       (SuperNode)
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.arguments import QUIET, SuperLink, SuperNode, write_connection
from fedgroup.errors import FedgroupError

PORT = 8000
"""Port of the SuperLink's control API."""
NODE_PORT = 9094
"""Port of a SuperNode's health address."""
STATE = Path("/state")
"""Volume that the SuperLink's database is kept on."""
ANYWHERE = "0.0.0.0"
REGISTER = (
    'until "$0" -m deploy.health "$1" "$2/ca.crt"; do sleep 1; done; "$0" -m deploy.register "$2"'
)


def superlink(keys: Path | None) -> list[str]:
    """Return the SuperLink's command; write its connection and, with keys, register SuperNodes."""
    write_connection(Path(_text("FLWR_HOME")), f"127.0.0.1:{PORT}", keys)
    if keys is not None:
        subprocess.Popen(["sh", "-c", REGISTER, sys.executable, str(PORT), str(keys)])
    return SuperLink(ANYWHERE, PORT, STATE / "superlink.db", keys).command()


def supernode(keys: Path | None) -> list[str]:
    """Return the SuperNode's command."""
    return SuperNode(
        superlink=_text("FEDGROUP_SUPERLINK"),
        partition=_number("FEDGROUP_PARTITION"),
        partitions=_number("FEDGROUP_PARTITIONS"),
        port=NODE_PORT,
        data_root=os.environ.get("FEDGROUP_DATA_ROOT", ""),
        keys=keys,
    ).command()


def _text(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise FedgroupError(f"{name} is not set: see deploy/container.py")
    return value


def _number(name: str) -> int:
    value = _text(name)
    if not value.isdigit():
        raise FedgroupError(f"{name}={value!r} must be a whole number from 0")
    return int(value)


ROLES = {"superlink": superlink, "supernode": supernode}


def main(arguments: Sequence[str]) -> None:
    """Become the program of the role that is named."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        raise FedgroupError(
            f"a container is one of {', '.join(ROLES)}, got '{' '.join(arguments)}'"
        )
    role = arguments[0]
    os.environ.update({name: os.environ.get(name, value) for name, value in QUIET.items()})
    folder = os.environ.get("FEDGROUP_KEYS", "")
    keys = Path(folder) if folder else None
    if keys is not None and not (keys / "ca.crt").is_file():
        raise FedgroupError(
            f"no ca.crt in FEDGROUP_KEYS={folder}: make the keys first, see docs/deploy.md"
        )
    command = ROLES[role](keys)
    os.execvp(command[0], command)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except FedgroupError as error:
        sys.exit(f"fedgroup: {error}")
