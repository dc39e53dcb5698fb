"""A profile's name means one set of settings for the life of a store."""

from typing import Any

from gated_ray.errors import ReferenceNotFoundError, StoreError
from gated_ray.settings import ProfileSettings, StatisticsSettings
from gated_ray.store.keys import profile_key, statistics_key
from gated_ray.store.objects import Objects
from gated_ray.store.records import decode_json, encode_json, same_identity

_FORMAT = 1
"""Of this record alone: a profile means the same whatever the form of the units."""


def claim_profile(objects: Objects, profile: ProfileSettings) -> None:
    """Write down what the profile's name stands for, or check that it stands for these settings.

    Two first users with different settings at the same instant may both pass; the identity in every manifest then keeps
    their units apart.

    Raises:
        StoreError: the store knows the name with other settings.
    """
    _claim(objects, profile_key(profile.name), profile.identity(), f"profile {profile.name!r}")


def claim_statistics(
    objects: Objects, dataset: str, profile: str, statistics: StatisticsSettings, *, write: bool = True
) -> None:
    """The same for the settings of activation statistics over one dataset under one profile.

    Args:
        objects: the store.
        dataset: of tokens.
        profile: its name.
        statistics: settings.
        write: False compares with what the store knows, and writes nothing.

    Raises:
        StoreError: the store knows them with other settings.
    """
    key = statistics_key(dataset, profile)
    if write or _read(objects, key) is not None:
        what = f"activation statistics over {dataset!r} under profile {profile!r}"
        _claim(objects, key, statistics.identity(), what)


def _claim(objects: Objects, key: str, ours: dict[str, Any], what: str) -> None:
    if _read(objects, key) is None:
        objects.put(key, encode_json({"format": _FORMAT, "identity": ours}))
    # Read even after writing: another first user may have written since.
    theirs = _read(objects, key)
    if theirs is None or not same_identity(theirs, ours):
        raise StoreError(
            f"{objects.url} holds {what} with other settings: {_differences(theirs or {}, ours)}; "
            "give the same settings or another profile.name="
        )


def read_profile(objects: Objects, name: str) -> dict[str, Any] | None:
    """The settings that the store knows under this name; None where it does not know it.

    Raises:
        StoreError: the record is damaged.
    """
    return _read(objects, profile_key(name))


def _read(objects: Objects, key: str) -> dict[str, Any] | None:
    try:
        return dict(decode_json(objects.get(key), _FORMAT)["identity"])
    except ReferenceNotFoundError:
        return None
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{objects.url}/{key}: damaged; delete it and run the sweep again") from error


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> str:
    """What differs, but for what follows from ``regions``: an identity has no pairs and no seed where nothing is sampled."""
    unset = {key for key in ("pairs", "seed") if theirs.get(key) is None or ours.get(key) is None}
    changed = [key for key in sorted({*theirs, *ours} - unset) if theirs.get(key) != ours.get(key)]
    return ", ".join(f"{key} is {theirs.get(key)!r} there and {ours.get(key)!r} here" for key in changed)
