"""An hour with a fault every two to three minutes; `scripts/bench camera` does a day."""

from __future__ import annotations

from benchmarks.camera_soak import soak


def test_it_comes_back_from_everything_and_holds_on_to_nothing() -> None:
    result = soak(hours=1.0, seed=2, between_s=(60.0, 240.0))
    assert sum(result.faults.values()) >= 15
    assert len(result.faults) >= 6
    assert result.steps["gave up"] == 0
    assert result.steps["recovered"] == result.steps["failed"]
    assert result.steps["recovered"] >= 8
    assert result.disorder == 0
    # at its start and at its end
    one, other = result.samples[0], result.samples[-1]
    assert other.threads <= one.threads
    assert other.descriptors <= one.descriptors
