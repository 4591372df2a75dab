"""Run the agent outside a sandbox, on a given socket: for its own tests and for nothing else."""

import asyncio
import socket
import sys

from capibara6_guest.agent import Agent
from capibara6_guest.operations import operations


def main() -> None:
    """Serve all operations on the Unix socket named by the first argument."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(sys.argv[1])
    listener.listen(128)
    listener.setblocking(False)
    asyncio.run(Agent(operations()).serve(listener))


if __name__ == "__main__":
    main()
