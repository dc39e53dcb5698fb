"""Where a commit stands, by what is noted of it and whether it is published."""

from pathlib import Path

import pytest

from gated_ray.settings import StoreSettings, WatchListSettings
from gated_ray.store.objects import open_objects
from gated_ray.watching.notes import Notes, Subject, failed, large, refused, swept
from gated_ray.watching.standing import standings

NOW, BEFORE = "0123abcd", "fedcba98"
MODEL = Subject("org/model", "a" * 40)


@pytest.mark.parametrize(
    ("noted", "is_published", "state", "why"),
    [
        ([], False, "new", "new model"),
        ([], True, "new", "new model"),
        ([swept(NOW)], True, "done", ""),
        ([swept(NOW)], False, "again", "no longer in the store"),
        ([swept(BEFORE)], True, "again", "last looked at by other rules or another version"),
        ([refused(NOW)], False, "refused", ""),
        ([refused(NOW), failed(1, NOW)], False, "refused", ""),
        ([refused(BEFORE)], False, "again", "last looked at by other rules or another version"),
        ([failed(1, NOW)], False, "again", "failed before, attempt 2 of 3"),
        ([failed(1, NOW), failed(2, NOW)], False, "again", "failed before, attempt 3 of 3"),
        ([failed(3, NOW)], False, "given up", ""),
        ([failed(4, NOW)], True, "given up", ""),
        ([failed(3, NOW), swept(NOW)], True, "done", ""),
        ([failed(3, BEFORE)], False, "again", "last looked at by other rules or another version"),
        ([large(101)], False, "too large", ""),
        ([large(101), swept(NOW)], True, "done", ""),
        ([large(100)], False, "again", "within the size limit now"),
    ],
)
def test_states(tmp_path: Path, noted: list[str], is_published: bool, state: str, why: str) -> None:
    notes = Notes(open_objects(StoreSettings(url=str(tmp_path))), "_watch/")
    for what in noted:
        notes.add(MODEL, what, "")
    watch = WatchListSettings(max_bytes=100, attempts=3)
    (found,) = standings([MODEL], notes, NOW, watch, frozenset({MODEL} if is_published else ()))
    assert (found.state, found.why) == (state, why)
    assert found.note in {"", *noted}
    assert bool(found.note) == (state in ("refused", "given up"))
