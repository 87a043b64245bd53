"""The process that forks measuring and building processes, with what they need already imported.

It has one thread and does nothing but fork, kill and reap, so a child costs milliseconds however much was
preloaded, and its own memory is never at risk from a candidate. It ends, with all its descendants and
their files, as soon as the tuner's end of its control socket closes, which the operating system does even
when the tuner is killed. Commands and answers are JSON packets; a spawn carries two descriptors.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from heron_cli.measure import system
from heron_cli.measure.channel import Channel

_PACKET = 1 << 16
_INT = struct.Struct("i")


class Nursery:
    """State of the nursery process; `serve` runs until the tuner is gone."""

    def __init__(self, control: socket.socket, directory: Path) -> None:
        self._control = control
        self._directory = directory
        self._pids: dict[int, int] = {}  # the tuner's number of a child -> process id
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)

    def serve(self) -> None:
        """Obey the tuner until it hangs up, then leave nothing behind."""
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        self._tell({"up": True})
        try:
            while self._obey():
                select.select([self._control, self._wake], [], [])
                self._reap()
        finally:
            self._end()
        shutil.rmtree(self._directory, ignore_errors=True)

    def _obey(self) -> bool:
        """Carry out what the tuner asked; False when it is gone."""
        while True:
            try:
                data, descriptors = _receive(self._control)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            if not data:
                return False
            command = json.loads(data)
            if "spawn" in command:
                self._spawn(command, descriptors)
            elif (pid := self._pids.get(command["kill"])) is not None:
                os.kill(pid, signal.SIGKILL)  # it may be too young to have a group of its own
                system.kill_group(pid)

    def _spawn(self, command: dict[str, Any], descriptors: Sequence[int]) -> None:
        number, nursery = int(command["spawn"]), os.getpid()
        home = self._home(number)
        try:
            home.mkdir(mode=0o700)
            pid = os.fork()
        except OSError as error:  # no memory, no processes, no disk
            for descriptor in descriptors:
                os.close(descriptor)
            self._tell({"exited": number, "code": 1, "reason": str(error)})
            return
        if pid == 0:
            self._be_child(command, descriptors, nursery, home)
        self._pids[number] = pid
        for descriptor in descriptors:
            os.close(descriptor)

    def _be_child(
        self, command: dict[str, Any], descriptors: Sequence[int], nursery: int, home: Path
    ) -> None:
        code = 70
        try:
            os.setsid()
            system.die_with_parent(nursery)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel, output = descriptors
            self._control.close()
            self._wake.close()
            self._waker.close()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            _confine(command)
            os.environ["TMPDIR"] = tempfile.tempdir = str(home)
            entry = _resolve(command["entry"])
            entry(Channel(socket.socket(fileno=channel)))
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)  # never run the exit handlers of the nursery

    def _reap(self) -> None:
        try:
            while self._wake.recv(_PACKET):
                pass
        except BlockingIOError:
            pass
        numbers = {pid: number for number, pid in self._pids.items()}
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            number = numbers.get(ended.si_pid)
            if number is not None:
                system.kill_group(ended.si_pid)  # while the zombie still holds the number of its group
            _, status = os.waitpid(ended.si_pid, 0)
            if number is not None:
                del self._pids[number]
                self._kill_strangers()
                shutil.rmtree(self._home(number), ignore_errors=True)
                self._tell({"exited": number, "code": os.waitstatus_to_exitcode(status)})

    def _kill_strangers(self) -> None:
        """Kill what a dead child left in a session of its own: it is a child of this process now."""
        known = set(self._pids.values())
        for pid in system.children():
            if pid not in known:
                os.kill(pid, signal.SIGKILL)

    def _home(self, number: int) -> Path:
        return self._directory / str(number)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._control.send(json.dumps(message).encode())
        except OSError:  # the tuner is gone; the loop is about to notice
            return

    def _end(self) -> None:
        signal.set_wakeup_fd(-1)
        self._control.close()
        for pid in self._pids.values():
            system.kill_group(pid)
        while remaining := system.children():
            for pid in remaining:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _receive(control: socket.socket) -> tuple[bytes, Sequence[int]]:
    """A packet and its descriptors, without waiting (socket.recv_fds of Python 3.11 ignores its flags)."""
    data, ancillary, _, _ = control.recvmsg(_PACKET, socket.CMSG_LEN(2 * _INT.size), socket.MSG_DONTWAIT)
    descriptors = [
        descriptor
        for level, kind, content in ancillary
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
        for (descriptor,) in _INT.iter_unpack(content)
    ]
    return data, descriptors


def _confine(command: dict[str, Any]) -> None:
    """Limit what the calling child can use up, and have it chosen first when memory runs out."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    memory = int(command["memory"])
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    if command["cores"]:
        os.sched_setaffinity(0, command["cores"])
    os.nice(int(command["nice"]))
    with contextlib.suppress(OSError):  # a container may hide it; then the choice is left to the kernel
        Path("/proc/self/oom_score_adj").write_text("1000")


def _resolve(entry: str) -> Callable[[Channel], None]:
    module, name = entry.split(":")
    function: Callable[[Channel], None] = getattr(importlib.import_module(module), name)
    return function


def main(descriptor: int, preload: Sequence[str], directory: str) -> None:
    """Serve the tuner on its end of a SOCK_SEQPACKET pair. Files of the children live under `directory`."""
    control = socket.socket(fileno=descriptor)
    os.setsid()  # Ctrl-C in the terminal is for the tuner, which then closes the control socket
    system.adopt_orphans()
    for name in preload:
        try:
            importlib.import_module(name)
        except ImportError as error:  # a child that needs it will say so
            print(f"cannot preload {name}: {error}", file=sys.stderr, flush=True)
    gc.collect()
    gc.freeze()
    Nursery(control, Path(directory)).serve()
