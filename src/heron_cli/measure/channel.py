"""Framed Python objects over a socket pair, between the tuner and the child processes that it started.

The tuner's side never blocks on reading: a child that dies in the middle of a frame, or a kernel that
scribbles on every open descriptor, must not hold up the run.
"""

from __future__ import annotations

import pickle
import socket
import struct
from typing import Any

_HEADER = struct.Struct("<4sI")
_MAGIC = b"hrn1"
_LARGEST = 256 << 20
_CHUNK = 1 << 18


class ChannelError(Exception):
    """The other side is gone or does not keep to the framing."""


class Channel:
    """One end. `closed` turns True once the other end hung up or sent garbage."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._buffer = bytearray()
        self.closed = False

    def fileno(self) -> int:
        """The descriptor, for select."""
        return self._socket.fileno()

    def send(self, message: object, timeout: float | None = None) -> None:
        """Send one object, waiting at most `timeout` seconds. Raises ChannelError."""
        frame = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
        self._socket.settimeout(timeout)
        try:
            self._socket.sendall(_HEADER.pack(_MAGIC, len(frame)) + frame)
        except OSError as error:
            raise ChannelError(f"sending failed: {error}") from error

    def receive(self) -> Any:
        """The next object, waiting for it (a child's side). Raises ChannelError when none will come."""
        self._socket.settimeout(None)
        while True:
            found, message = self._take()
            if found:
                return message
            self._read()
            if self.closed:
                raise ChannelError("the other side hung up")

    def drain(self) -> list[Any]:
        """Every object that has arrived, without waiting."""
        if self.closed:
            return []
        self._socket.settimeout(0)
        while self._read():
            if len(self._buffer) > _LARGEST:
                break
        messages = []
        try:
            while (taken := self._take())[0]:
                messages.append(taken[1])
        except ChannelError:
            self.closed = True
        return messages

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self._socket.close()

    def _read(self) -> bool:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:  # reset by a peer that was killed
            data = b""
        self._buffer += data
        self.closed = not data
        return bool(data)

    def _take(self) -> tuple[bool, Any]:
        if len(self._buffer) < _HEADER.size:
            return False, None
        magic, size = _HEADER.unpack_from(self._buffer)
        if magic != _MAGIC or size > _LARGEST:
            raise ChannelError("not a frame of heron's")
        end = _HEADER.size + size
        if len(self._buffer) < end:
            return False, None
        frame = bytes(self._buffer[_HEADER.size : end])
        del self._buffer[:end]
        try:
            return True, pickle.loads(frame)
        except Exception as error:  # unpickling garbage may raise anything
            raise ChannelError(f"not a message of heron's: {error}") from error
