from __future__ import annotations

import pickle
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heron_cli.measure.channel import Channel, ChannelError


@given(st.lists(st.binary(max_size=2000), max_size=5), st.integers(1, 700))
def test_frames_survive_any_cut(messages: list[bytes], cut: int) -> None:
    left, right = socket.socketpair()
    sender, receiver = Channel(left), Channel(right)
    collected: list[object] = []
    recorder, raw = socket.socketpair()
    Channel(recorder).send(messages)
    sender.send(messages)
    recorder.close()
    left.close()
    data = b""
    while chunk := right.recv(1 << 16):
        data += chunk
    a, b = socket.socketpair()
    receiver = Channel(b)
    for start in range(0, len(data), cut):
        a.sendall(data[start : start + cut])
        collected += receiver.drain()
    assert collected == [messages]
    for end in (raw, right, a, b):
        end.close()


def test_large_message_arrives_while_it_is_sent() -> None:
    left, right = socket.socketpair()
    payload = bytes(5 << 20)
    sender = threading.Thread(target=Channel(left).send, args=(payload,))
    sender.start()
    assert Channel(right).receive() == payload
    sender.join()


@pytest.mark.parametrize(
    "garbage", [b"y" * 4096, b"hrn1\xff\xff\xff\xff", b"hrn1\x03\x00\x00\x00abc", b"hrn1\x02\x00\x00\x00c\n"]
)
def test_garbage_closes_the_channel_but_keeps_what_came_before(garbage: bytes) -> None:
    left, right = socket.socketpair()
    sender, receiver = Channel(left), Channel(right)
    sender.send("fine")
    left.sendall(garbage)
    assert receiver.drain() == ["fine"]
    assert receiver.closed
    assert receiver.drain() == []


def test_hang_up_is_seen_after_the_last_message() -> None:
    left, right = socket.socketpair()
    sender, receiver = Channel(left), Channel(right)
    sender.send(1)
    sender.close()
    assert receiver.drain() == [1]
    assert receiver.closed
    with pytest.raises(ChannelError):
        receiver.receive()


def test_sending_to_the_dead_or_the_deaf_raises() -> None:
    left, right = socket.socketpair()
    with pytest.raises(ChannelError, match="sending failed"):
        Channel(left).send(bytes(8 << 20), timeout=0.05)
    right.close()
    with pytest.raises(ChannelError):
        Channel(left).send(b"x", timeout=1.0)


def test_drain_does_not_wait_for_the_rest_of_a_frame() -> None:
    left, right = socket.socketpair()
    frame = pickle.dumps("half")
    left.sendall(b"hrn1" + (len(frame) + 10).to_bytes(4, "little") + frame)
    receiver = Channel(right)
    assert receiver.drain() == []
    assert not receiver.closed
