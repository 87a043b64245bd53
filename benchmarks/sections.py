"""Sections of a results page that a script of their own writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def put(page: Path, lines: Sequence[str]) -> None:
    """Replace the section that begins with the heading lines[0] ("## …"), or append it."""
    text = page.read_text() if page.exists() else ""
    before, _, rest = text.partition(f"{lines[0]}\n")
    _, mark, after = rest.partition("\n## ")
    parts = [part for part in (before.rstrip(), "\n".join(lines).rstrip()) if part]
    page.write_text("\n\n".join(parts) + "\n" + (f"{mark}{after}" if mark else ""))
