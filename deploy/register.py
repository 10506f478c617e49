"""Tell a SuperLink the public keys of the SuperNodes that may join; keys it knows already are fine.

python -m deploy.register FOLDER     registers every FOLDER/*.pub over the connection `deploy`
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.arguments import CONNECTION
from fedgroup.errors import FedgroupError


def register(folder: Path, environment: Mapping[str, str] | None = None) -> int:
    """Register all public keys in a folder; return how many there are.

    Args:
        folder: Holds the keys, *.pub.
        environment: Environment of `flwr`, which names the connection; None: this process's.

    Returns:
        Number of keys.

    Raises:
        FedgroupError: There are none, or the SuperLink does not take one.
    """
    keys = sorted(folder.glob("*.pub"))
    if not keys:
        raise FedgroupError(
            f"no public keys (*.pub) in {folder}: make them with `python -m deploy.keys`"
        )
    for key in keys:
        command = [
            str(Path(sys.executable).with_name("flwr")),
            "supernode",
            "register",
            str(key),
            CONNECTION,
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        if done.returncode and "already in use" not in said:
            raise FedgroupError(f"the SuperLink does not take {key}: {said[-300:]}")
    return len(keys)


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2:
            raise FedgroupError(
                "give the folder of the public keys: python -m deploy.register FOLDER"
            )
        print(f"{register(Path(sys.argv[1]))} SuperNodes may join", flush=True)
    except FedgroupError as error:
        sys.exit(f"fedgroup: {error}")
