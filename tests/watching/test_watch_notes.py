"""Notes: keys that say everything, one listing that reads them, and what that is over S3."""

import json
import re

import pytest

from gated_ray.settings import StoreSettings
from gated_ray.store import bucket
from gated_ray.store.objects import Objects, open_objects
from gated_ray.watching.notes import RENAMED, Notes, Subject, failed, large, refused, swept, watch_folder
from tests.servers.s3 import S3Server

RULES, OTHERS = "0123abcd", "fedcba98"
MODEL = Subject("google/gemma-2-2b", "a" * 40)
FOLDER = watch_folder("default", "paper")


@pytest.fixture
def objects(tmp_path: object) -> Objects:
    return open_objects(StoreSettings(url=str(tmp_path)))


def test_notes_are_read_back_from_their_keys(objects: Objects) -> None:
    notes = Notes(objects, FOLDER)
    odd = Subject("org/a.b_c-D", "b" * 40)
    for subject, what in ((MODEL, failed(1, RULES)), (MODEL, failed(12, RULES)), (MODEL, failed(20, OTHERS))):
        notes.add(subject, what, "access")
    notes.add(odd, refused(RULES), "no config.json")
    notes.add(odd, large(123), "")
    notes.add(odd, RENAMED, "org/before")
    assert notes.reasons({odd: RENAMED}) == {odd: "org/before"}, "before it is written too"
    assert not list(objects.list("")), "nothing is written before it is asked for"
    notes.write()
    read = Notes(objects, FOLDER)
    assert read.of(MODEL) == {failed(1, RULES), failed(12, RULES), failed(20, OTHERS)}
    assert read.failures(MODEL, RULES) == 12
    assert read.failures(odd, RULES) == 0
    assert read.of(odd) == {refused(RULES), large(123), RENAMED}
    assert (read.bytes(odd), read.bytes(MODEL)) == (123, None)
    assert read.reasons({odd: refused(RULES), MODEL: swept(RULES)}) == {odd: "no config.json", MODEL: ""}
    assert read.of(Subject(MODEL.model, "c" * 40)) == frozenset()
    assert read.knows(MODEL.model)
    assert not read.knows("google/gemma")
    assert all(re.fullmatch(r"[\w.=/-]+", stored.key) for stored in objects.list(""))
    assert objects.get(f"{FOLDER}notes/google--gemma-2-2b={'a' * 40}=failed-1-{RULES}.json")


def test_a_note_says_when_and_by_which_version(objects: Objects) -> None:
    notes = Notes(objects, FOLDER)
    notes.add(MODEL, refused(RULES), "why")
    notes.write()
    (stored,) = objects.list("")
    body = json.loads(objects.get(stored.key))
    assert body.keys() == {"format", "reason", "time", "gated_ray_version"}
    assert body["reason"] == "why"


def test_watches_and_profiles_are_kept_apart(objects: Objects) -> None:
    notes = Notes(objects, FOLDER)
    notes.add(MODEL, swept(RULES), "")
    notes.write()
    for other in (watch_folder("default", "residual"), watch_folder("default2", "paper"), watch_folder("defaul", "t")):
        assert Notes(objects, other).of(MODEL) == frozenset()


def test_other_objects_are_no_notes(objects: Objects) -> None:
    for name in ("readme.txt", "a=b.json", "..zz=b=swept-1.json", "a=b=c=d.json"):
        objects.put(f"{FOLDER}notes/{name}", b"")
    objects.put(f"{FOLDER}notes/google--gemma-2-2b={MODEL.commit}={refused(RULES)}.json", b"garbage")
    notes = Notes(objects, FOLDER)
    assert not notes.knows("a")
    assert notes.reasons({MODEL: refused(RULES)}) == {MODEL: ""}


def test_many_notes_are_a_few_pages_over_s3(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    url = f"s3://{moto.make_bucket('watched-in-pages')}/store"
    objects = open_objects(StoreSettings(url=url, endpoint_url=moto.endpoint_url))
    written = Notes(objects, FOLDER)
    subjects = [Subject(f"org/model-{number:02d}", f"{number:040x}") for number in range(45)]
    for subject in subjects:
        written.add(subject, swept(RULES), "")
    written.write()
    monkeypatch.setattr(bucket, "PAGE_KEYS", 10)
    listings: list[object] = []
    client = objects.client  # type: ignore[attr-defined]
    client.meta.events.register("before-call.s3.ListObjectsV2", lambda **_: listings.append(None))
    read = Notes(objects, FOLDER)
    assert all(read.of(subject) == {swept(RULES)} for subject in subjects)
    assert len(listings) == 1 + 5, "a look whether one page is all, and the pages"
