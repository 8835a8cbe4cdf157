from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workbench.definition.distributions import Choice, LogUniform, QUniform, Randint, Uniform
from workbench.search.space import Space, key, size


def test_size_and_numbering() -> None:
    parameters = {"a": Choice(["x", "y"]), "b": QUniform(0, 2, 1), "c": Randint(2)}
    space = Space(parameters)
    everything = list(space.all())
    assert size(parameters) == len(everything) == 12
    assert everything[:3] == [{"a": "x", "b": 0, "c": 0}, {"a": "x", "b": 0, "c": 1}, {"a": "x", "b": 1, "c": 0}]
    assert everything[-1] == space.nth(11) == {"a": "y", "b": 2, "c": 1}
    assert len({key(params) for params in everything}) == 12
    assert size({"a": Choice([1]), "b": Uniform(0, 1)}) is None


def test_coordinates_go_to_their_parameters() -> None:
    nested = Choice([{"u": Uniform(0, 1)}, {"v": Uniform(0, 1)}])
    space = Space({"a": Uniform(0, 2), "n": nested, "z": LogUniform(0, 2)}, logbase=10)
    assert space.width == 5
    assert space.at([0.5, 0.9, 0.1, 0.2, 0.5]) == {"a": 1.0, "n": {"v": 0.2}, "z": 10.0}


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.booleans() | st.floats(0, 1), min_size=1, max_size=3))
def test_keys_ignore_order_and_keep_types_apart(params: dict[str, int | float]) -> None:
    assert key(params) == key(dict(reversed(params.items())))
    assert key({"a": 1}) != key({"a": 1.0}) != key({"a": True})
