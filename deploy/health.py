"""Ask a SuperLink or SuperNode whether it is healthy.

python -m deploy.health PORT [CA_CERTIFICATE]     exits with 0 where it is
"""

import ssl
import sys
from pathlib import Path
from urllib.request import BaseHandler, HTTPSHandler, ProxyHandler, build_opener


def healthy(port: int, authority: Path | None = None, host: str = "127.0.0.1") -> bool:
    """Return whether an address answers 200; no proxy is asked.

    Args:
        port: Port of the health address.
        authority: Certificate to trust, over HTTPS; None: plain HTTP.
        host: The machine.

    Returns:
        False too where it refuses, times out, or shows a certificate of another authority.
    """
    handlers: list[BaseHandler] = [ProxyHandler({})]
    if authority is not None:
        handlers.append(HTTPSHandler(context=ssl.create_default_context(cafile=str(authority))))
    scheme = "http" if authority is None else "https"
    try:
        with build_opener(*handlers).open(f"{scheme}://{host}:{port}/health", timeout=3) as answer:
            return bool(answer.status == 200)
    except (OSError, ValueError):  # refused, timed out, not HTTP
        return False


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or not sys.argv[1].isdigit():
        sys.exit("fedgroup: python -m deploy.health PORT [CA_CERTIFICATE]")
    chosen = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    sys.exit(0 if healthy(int(sys.argv[1]), chosen) else 1)
