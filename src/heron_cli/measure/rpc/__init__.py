"""Measuring on other machines: TVM's RPC carries the messages, heron's own worker measures."""
