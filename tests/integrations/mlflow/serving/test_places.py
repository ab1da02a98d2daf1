"""How long a place is left empty."""

from __future__ import annotations

from mlxkit.integrations.mlflow.serving.places import Place


def test_the_pause_grows_to_half_a_minute_and_starts_anew_after_a_minute_of_service() -> None:
    place = Place()
    pauses = [place.vacate(100.0, served=1.0) for _ in range(10)]
    assert pauses == [0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]
    assert (place.is_failing, place.due) == (True, 130.0)
    assert place.vacate(200.0, served=61.0) == 0.0
    assert not place.is_failing
