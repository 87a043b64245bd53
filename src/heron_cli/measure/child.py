"""The tuner's side of a nursery and of the processes that it forks."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heron_cli.measure.channel import Channel
from heron_cli.measure.text import last_line

_START = (
    "import json, sys; a = json.loads(sys.argv[1]); sys.path[:] = a['path'];"
    " from heron_cli.measure.nursery import main; main(a['descriptor'], a['preload'], a['directory'])"
)
_PACKET = 1 << 16
_CHUNK = 1 << 16
_READS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where and how a child runs: its cores (empty: any), niceness and private memory in bytes."""

    cores: tuple[int, ...]
    memory: int
    nice: int = 0
    output_bytes: int = 4096


class Child:
    """A forked process: a channel to it, the end of what it printed, and how it ended."""

    def __init__(self, number: int, channel: Channel, output: int, keep: int) -> None:
        self.number = number
        self.channel = channel
        self.exited = False
        self.code: int | None = None  # None when nobody knows, because the nursery died as well
        self._output: int | None = output
        self._keep = keep
        self._printed = b""

    @property
    def printed(self) -> str:
        """The end of what it wrote to stdout and stderr."""
        return self._printed.decode(errors="replace")

    def descriptors(self) -> list[int]:
        """What to wait on for news of it."""
        found = [] if self._output is None else [self._output]
        return found if self.channel.closed else [*found, self.channel.fileno()]

    def drain_output(self) -> None:
        """Read what it printed, so that a chatty kernel does not block, and keep only the end.

        Bounded: one that prints without end must not keep this process from looking at its deadline.
        """
        for _ in range(_READS):
            if self._output is None:
                return
            try:
                data = os.read(self._output, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                os.close(self._output)
                self._output = None
            self._printed = (self._printed + data)[-self._keep :]

    def close(self) -> None:
        """Release the descriptors."""
        self.channel.close()
        if self._output is not None:
            os.close(self._output)
            self._output = None


class NurseryHandle:
    """Starts a nursery process when the first child is asked for, and again if it ever dies."""

    def __init__(self, preload: Sequence[str] = ()) -> None:
        self._preload = list(preload)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._children: dict[int, Child] = {}
        self._next = 0
        self._up = False  # done with preloading
        self._directory: Path | None = None

    @property
    def directory(self) -> Path:
        """A folder that goes when the nursery goes, even if this process is killed: for shared files."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="heron-"))
        return self._directory

    @property
    def pid(self) -> int | None:
        """Process id of the nursery, if it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def log(self) -> str:
        """The last line that the nursery itself printed, for when it does not come up."""
        with contextlib.suppress(OSError):
            return last_line(self._log.read_text(errors="replace"))
        return ""

    def spawn(self, entry: str, place: Place) -> Child:
        """Ask for a child that runs `module:function` with a channel. Returns at once."""
        if self._control is None:
            self._launch()
        assert self._control is not None
        mine, theirs = socket.socketpair()
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        self._next += 1
        child = Child(self._next, Channel(mine), reader, place.output_bytes)
        self._children[child.number] = child
        command = {
            "spawn": child.number,
            "entry": entry,
            "cores": place.cores,
            "memory": place.memory,
            "nice": place.nice,
        }
        try:
            socket.send_fds(self._control, [json.dumps(command).encode()], [theirs.fileno(), writer])
        except OSError:
            self._died()
        finally:
            theirs.close()
            os.close(writer)
        return child

    def kill(self, child: Child) -> None:
        """SIGKILL to the child and its whole process group; it is `exited` some milliseconds later."""
        if self._control is None or child.exited:
            return
        try:
            self._control.send(json.dumps({"kill": child.number}).encode())
        except OSError:
            self._died()

    def descriptors(self) -> list[int]:
        """What to wait on for news of ended children."""
        return [] if self._control is None else [self._control.fileno()]

    def pump(self) -> None:
        """Take in the news: marks children as exited."""
        while self._control is not None:
            try:
                data = self._control.recv(_PACKET, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._died()
                return
            message = json.loads(data)
            if "up" in message:
                self._up = True
                continue
            child = self._children.pop(message["exited"])
            child.exited, child.code = True, message["code"]

    def close(self) -> None:
        """End the nursery and everything below it, and wait for it."""
        self.pump()
        self._died()
        if self._process is not None:
            if not self._up:
                self._process.kill()  # importing, maybe for long, and nothing forked that could be left
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _launch(self) -> None:
        if self._process is not None:
            self._process.wait()
        mine, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        settings = {
            "path": sys.path,
            "descriptor": theirs.fileno(),
            "preload": self._preload,
            "directory": str(self.directory),
        }
        with theirs, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, json.dumps(settings)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # one numerical thread: a BLAS that starts threads when imported would not survive the fork
                env={
                    **os.environ,
                    "OPENBLAS_NUM_THREADS": "1",
                    "OMP_NUM_THREADS": "1",
                    "MKL_NUM_THREADS": "1",
                },
            )
        self._control, self._up = mine, False

    def _died(self) -> None:
        """The nursery is gone or about to go, and by PR_SET_PDEATHSIG its children with it."""
        if self._control is not None:
            self._control.close()
            self._control = None
        for child in self._children.values():
            child.exited = True
        self._children.clear()

    @property
    def _log(self) -> Path:
        return self.directory / "log"
