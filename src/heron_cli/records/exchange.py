"""Records as JSON lines, for people, other tools and other machines."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from ..errors import InputError
from .codec import RecordError, parse
from .record import Record

LONGEST = 1 << 20  # bytes of a line


def write_jsonl(records: Iterable[Record], target: IO[str]) -> int:
    """Write one JSON object a line; how many. Equal records give equal lines."""
    count = 0
    for record in records:
        target.write(json.dumps(record.to_json(), allow_nan=False, ensure_ascii=False) + "\n")
        count += 1
    return count


def read_jsonl(path: Path) -> Iterator[Record]:
    """The records of a file, checked line by line; blank lines are skipped.

    Raises InputError with `file:line` and what is wrong there.
    """
    try:
        with path.open("rb") as file:
            for number in itertools.count(1):
                line = file.readline(LONGEST + 1)
                if not line:
                    return
                if len(line) > LONGEST:
                    raise InputError(f"{path}:{number}: over {LONGEST:,} bytes; a record has a few thousand")
                if line.strip():
                    yield _read(line, f"{path}:{number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _read(line: bytes, place: str) -> Record:
    try:
        return parse(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise InputError(
            f"{place}: not UTF-8 at byte {error.start + 1}; a record is one line of JSON"
        ) from error
    except RecordError as error:
        raise InputError(f"{place}: {error}") from error
