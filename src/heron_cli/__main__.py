"""`python -m heron_cli` is `heron`."""

from __future__ import annotations

from heron_cli.cli import main

main()
