"""`heron serve`: a TVM RPC server that measures for one accelerator, and the process that keeps it up.

TVM's server accepts one session at a time and forks a process for each; heron registers two functions of text
there. TVM lets whoever reaches the port run code on this machine, so it is bound to loopback unless told
otherwise.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from heron_cli.errors import HeronError, InputError
from heron_cli.measure import system
from heron_cli.measure.text import of_exception

LOOPBACK = ("127.0.0.1", "localhost", "::1")
_START = "import sys; from heron_cli.measure.rpc.server import main; main(sys.argv[1])"
_PAUSE = 1.0  # seconds before a server that died is started again
_HURRY = 5.0  # a server that lives shorter than this after its start did not come up


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where a server listens, the tracker that it reports to, its key, and the accelerator that it is for."""

    target: str
    key: str
    host: str = "127.0.0.1"
    port: int = 9091
    last_port: int = 9199
    tracker: tuple[str, int] | None = None
    advertise: str | None = None  # the address that the tracker tells others, where it is not `host`


def keep_serving(options: ServerOptions, say: Callable[[str], None], starts: int = 3) -> None:
    """Run a server, and start it again whenever it dies; returns never.

    Raises InputError when it does not come up `starts` times in a row.
    """
    failed = 0
    while True:
        began = time.monotonic()
        process = subprocess.Popen([sys.executable, "-c", _START, json.dumps(asdict(options))])
        try:
            code = process.wait()
        finally:
            process.kill()
            process.wait()
        failed = failed + 1 if time.monotonic() - began < _HURRY else 0
        if failed >= starts:
            raise InputError(f"the server for {options.target} does not come up (exit code {code})")
        say(f"the server ended with exit code {code}; starting it again")
        time.sleep(_PAUSE)


def main(text: str) -> None:
    """The life of a server process, which ends with the process that started it."""
    system.die_with_parent(os.getppid())
    content = json.loads(text)
    tracker = content.pop("tracker")
    options = ServerOptions(tracker=None if tracker is None else (tracker[0], tracker[1]), **content)
    _register(options.target)
    from tvm.rpc.server import PopenRPCServerState

    state = PopenRPCServerState(
        options.host,
        options.port,
        options.last_port,
        tracker_addr=options.tracker,
        key=options.key,
        custom_addr=options.advertise or options.host,
        silent=True,
    )
    print(f"heron: serving {options.target} as '{options.key}' on {options.host}:{state.port}", flush=True)
    state.thread.join()  # ends only when TVM's loop has failed
    sys.exit(1)


def _register(target: str) -> None:
    """Make heron's functions known to the sessions, which are forks of this process."""
    import tvm_ffi

    from heron_cli.accelerator.loader import load
    from heron_cli.measure.rpc import wire
    from heron_cli.measure.rpc.bench import Bench, open_bench
    from heron_cli.records.versions import cpu_model

    accelerator = load(target)
    benches: list[Bench] = []

    def answer(action: Callable[[], str]) -> str:
        try:
            return action()
        except HeronError as error:
            return wire.error(str(error))
        except Exception as error:  # a tuner of another version, say: the session goes on
            return wire.error(f"internal error of the server: {of_exception(error)}")

    def open_session(text: str) -> str:
        def action() -> str:
            while benches:
                benches.pop().close()
            benches.append(open_bench(wire.load_opening(str(text)), accelerator))
            return describe()

        return answer(action)

    def measure(text: str) -> str:
        def action() -> str:
            if not benches:
                raise InputError("the session was not opened")
            return wire.dump_answers(benches[0].measure(wire.load_order(str(text))))

        return answer(action)

    def describe() -> str:
        return json.dumps({"cpu": cpu_model(), "target": accelerator.name, "digest": accelerator.digest})

    tvm_ffi.register_global_func(wire.OPEN, open_session, override=True)
    tvm_ffi.register_global_func(wire.MEASURE, measure, override=True)
    tvm_ffi.register_global_func(wire.DESCRIBE, describe, override=True)
