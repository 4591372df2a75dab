"""Parsers of what guests and clients send: whatever it is, they answer as documented."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fuzz_targets import TARGETS

_EXAMPLES = 60


@st.composite
def mutated(draw, seeds):
    """A seed with some pieces cut out, doubled, or replaced by other bytes."""
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        end = draw(st.integers(at, min(len(data), at + 40)))
        piece = draw(
            st.one_of(
                st.binary(max_size=12),
                st.sampled_from([b"NaN", b"1e999", b"[]", b"{}", b"null", b"-1", b"\0", b"\xff"]),
                st.just(data[at:end] * 2),
            )
        )
        data = data[:at] + piece + data[end:]
    return data


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_whatever_comes_is_parsed_or_refused(name):
    target = TARGETS[name]

    @settings(max_examples=_EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(st.one_of(mutated(target.seeds), st.binary(max_size=300)))
    def check(data):
        target.run(data)

    for seed in target.seeds:
        target.run(seed)
    check()
