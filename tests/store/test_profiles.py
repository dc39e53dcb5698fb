"""A profile's name keeps the settings of its first use."""

from dataclasses import replace

import pytest

from gated_ray.errors import StoreError
from gated_ray.settings import ProfileSettings
from gated_ray.store.keys import profile_key
from gated_ray.store.objects import Objects, StoredObject
from gated_ray.store.profiles import claim_profile
from gated_ray.store.units import committed_units
from tests.store.made_up import DENSE_UNITS, LLAMA, PROFILE, Interrupted, commit, contents


def test_the_same_settings_may_be_used_again(objects: Objects) -> None:
    claim_profile(objects, PROFILE)
    before = contents(objects)
    assert list(before) == [profile_key("paper")]
    claim_profile(objects, PROFILE)
    # The seed of pairs that are not sampled shapes nothing.
    claim_profile(objects, ProfileSettings(name="exact", regions="exact", seed=1))
    claim_profile(objects, ProfileSettings(name="exact", regions="exact", seed=2))
    assert {key: contents(objects)[key] for key in before} == before


def test_other_settings_are_refused_and_the_difference_named(objects: Objects) -> None:
    claim_profile(objects, PROFILE)
    with pytest.raises(StoreError) as error:
        claim_profile(objects, replace(PROFILE, weights="residual", seed=7))
    message = str(error.value)
    assert "seed is 0 there and 7 here, weights is 'paper' there and 'residual' here" in message
    assert "another profile.name=" in message
    assert "pairs" not in message
    assert "\n" not in message
    claim_profile(objects, replace(PROFILE, weights="residual", seed=7, name="mine"))


def test_what_follows_from_another_setting_is_no_difference(objects: Objects) -> None:
    claim_profile(objects, PROFILE)
    with pytest.raises(StoreError, match=r"with other settings: regions is 'sampled' there and 'none' here; give"):
        claim_profile(objects, replace(PROFILE, regions="none"))


def test_another_measure_version_is_refused(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    claim_profile(objects, PROFILE)
    monkeypatch.setattr("gated_ray.settings.MEASURE_VERSION", 2)
    with pytest.raises(StoreError, match="measure_version is 1 there and 2 here"):
        claim_profile(objects, PROFILE)


def test_a_new_form_of_the_units_leaves_a_profile_as_it_is(objects: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units in an older form are done again; the sweep that does so is not stopped by the profile's record."""
    claim_profile(objects, PROFILE)
    commit(objects, LLAMA, DENSE_UNITS[0])
    before = objects.get(profile_key("paper"))
    monkeypatch.setattr("gated_ray.store.records.FORMAT", 99)
    claim_profile(objects, PROFILE)
    assert objects.get(profile_key("paper")) == before
    assert committed_units(objects, LLAMA, PROFILE.identity()) == {}


def test_a_damaged_record_is_named(objects: Objects) -> None:
    objects.put(profile_key("paper"), b"{")
    with pytest.raises(StoreError, match=r"_units/profiles/paper.json: damaged"):
        claim_profile(objects, PROFILE)


def test_of_two_first_users_at_once_the_earlier_learns_of_the_other(objects: Objects) -> None:
    other = replace(PROFILE, seed=7)
    racing = Interrupted(objects, 0, lambda: claim_profile(objects, other))
    claim_profile(racing, PROFILE)
    with pytest.raises(StoreError):
        claim_profile(objects, other)


class Overtaken(Interrupted):
    """A store that another first user writes to right after each of our writes."""

    def put(self, key: str, body: bytes) -> StoredObject:
        self.objects.put(key, body)
        return self.objects.put(key, body.replace(b'"seed": 0', b'"seed": 7'))


def test_of_two_first_users_at_once_the_overtaken_is_refused(objects: Objects) -> None:
    with pytest.raises(StoreError, match="seed is 7 there and 0 here"):
        claim_profile(Overtaken(objects, -1), PROFILE)


def test_two_first_users_that_both_pass_do_not_see_each_others_units(objects: Objects) -> None:
    ours, theirs = PROFILE.identity(), replace(PROFILE, seed=7).identity()
    commit(objects, LLAMA, DENSE_UNITS[0], identity=ours)
    commit(objects, LLAMA, DENSE_UNITS[1], identity=theirs)
    assert set(committed_units(objects, LLAMA, ours)) == {DENSE_UNITS[0].id}
    assert set(committed_units(objects, LLAMA, theirs)) == {DENSE_UNITS[1].id}
