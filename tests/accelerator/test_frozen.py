from __future__ import annotations

import pickle

import pytest

from heron_cli.accelerator.frozen import FrozenMap


def test_reads_like_a_mapping_and_keeps_its_order() -> None:
    found = FrozenMap({"b": 1, "a": 2})
    assert list(found.items()) == [("b", 1), ("a", 2)]
    assert found == {"a": 2, "b": 1}
    assert FrozenMap() == {}
    assert "FrozenMap" in repr(found)


def test_cannot_change() -> None:
    source = {"a": 1}
    found = FrozenMap(source)
    source["a"] = 2
    assert found["a"] == 1
    with pytest.raises(TypeError):
        found["a"] = 2  # type: ignore
    with pytest.raises(AttributeError):
        found._items = {}
    with pytest.raises(AttributeError):
        del found._items


def test_hashes_by_content_and_travels() -> None:
    found = FrozenMap({"a": 1, "b": 2})
    assert hash(found) == hash(FrozenMap({"b": 2, "a": 1}))
    copy = pickle.loads(pickle.dumps(found))
    assert copy == found
    assert type(copy) is FrozenMap
