"""A worker that is started cold: `python -m mlxkit.integrations.local.workers DESCRIPTOR`."""

from __future__ import annotations

import socket
import sys

from .process import serve

if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
