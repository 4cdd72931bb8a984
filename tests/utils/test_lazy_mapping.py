import pickle

import pytest

from lexipix.utils.lazy_mapping import LazyMapping


def test_a_value_is_created_once_when_it_is_asked_for():
    created = []
    mapping = LazyMapping(("a", "b"), lambda name: created.append(name) or name.upper())
    assert list(mapping) == ["a", "b"] and len(mapping) == 2 and created == []
    assert mapping["b"] == mapping["b"] == "B"
    assert created == ["b"]
    with pytest.raises(KeyError):
        mapping["c"]
    assert "c" not in mapping and created == ["b"]


def test_it_crosses_to_another_process():
    copy = pickle.loads(pickle.dumps(LazyMapping(("a", "b"), str.upper)))
    assert dict(copy) == {"a": "A", "b": "B"}
