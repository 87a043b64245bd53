"""A TVM RPC tracker and heron's servers on loopback, as processes of their own; for tests and benchmarks."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field

from heron_cli.measure.rpc.client import Tracker, servers

KEY = "vta"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


KEPT_UP = """
import json, sys
from heron_cli.measure.rpc.server import ServerOptions, keep_serving
options = json.loads(sys.argv[1])
tracker = tuple(options.pop("tracker"))
keep_serving(ServerOptions(tracker=tracker, **options), print)
"""


@dataclass
class Lab:
    """A tracker and servers on loopback, as processes of their own."""

    script: str = KEPT_UP  # of a server's process, which finds its options as JSON in its first argument
    port: int = field(default_factory=free_port)
    tracker_process: subprocess.Popen[bytes] | None = None
    serving: list[subprocess.Popen[bytes]] = field(default_factory=list)
    ports: list[int] = field(default_factory=list)

    @property
    def tracker(self) -> Tracker:
        return Tracker("127.0.0.1", self.port, KEY)

    def start_tracker(self) -> None:
        command = ["tvm.exec.rpc_tracker", "--host", "127.0.0.1", "--port", str(self.port)]
        self.tracker_process = start([sys.executable, "-m", *command, "--port-end", str(self.port + 1)])

    def stop_tracker(self) -> None:
        assert self.tracker_process is not None
        stop(self.tracker_process)

    def start_server(self) -> subprocess.Popen[bytes]:
        port = free_port()
        options = {"target": "vta", "key": KEY, "port": port, "last_port": port + 1}
        text = json.dumps({**options, "tracker": ["127.0.0.1", self.port]})
        process = start([sys.executable, "-c", self.script, text])
        self.serving.append(process)
        self.ports.append(port)
        return process

    def wait_for(self, count: int, seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                if servers(self.tracker) >= count:
                    return
            except Exception:
                if time.monotonic() > deadline:
                    raise
            assert time.monotonic() < deadline, "the servers do not come up"
            time.sleep(0.2)

    def close(self) -> None:
        for process in (*self.serving, self.tracker_process):
            if process is not None:
                stop(process)


def start(command: list[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL)


def stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
