"""Sections of a results page that a script of their own writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def put(page: Path, lines: Sequence[str], after: str = "") -> None:
    """Replace the section that begins with the heading lines[0] ("## …"); one that is new goes behind the
    section of the heading `after`, or to the end.
    """
    text = page.read_text() if page.exists() else ""
    if not after or f"{lines[0]}\n" in text or f"{after}\n" not in text:
        before, _, rest = text.partition(f"{lines[0]}\n")
        _, mark, behind = rest.partition("\n## ")
    else:
        head, heading, rest = text.partition(f"{after}\n")
        own, mark, behind = rest.partition("\n## ")
        before = head + heading + own
    parts = [part for part in (before.rstrip(), "\n".join(lines).rstrip()) if part]
    page.write_text("\n\n".join(parts) + "\n" + (f"{mark}{behind}" if mark else ""))


def begin(page: Path, lines: Sequence[str]) -> None:
    """Replace what stands before the page's first section ("## …")."""
    text = page.read_text() if page.exists() else ""
    _, mark, rest = text.partition("\n## ")
    page.write_text("\n".join(lines).rstrip() + "\n" + mark + rest)
