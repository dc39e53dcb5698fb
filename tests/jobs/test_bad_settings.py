"""Settings, stores and credentials that cannot be used: one line on stderr and exit code 1, before anything is started."""

from pathlib import Path

import pytest

from gated_ray.cluster import driving
from gated_ray.settings import ProfileSettings, StoreSettings
from gated_ray.store.objects import open_objects
from gated_ray.store.profiles import claim_profile
from tests.checkpoints.sound import sound_checkpoint
from tests.jobs.running import call_job
from tests.servers.s3 import S3Server

SETTINGS: dict[str, tuple[str, list[str], tuple[str, ...]]] = {
    "no models": ("sweep", [], ("models.refs", "models=demo")),
    "unknown key": ("sweep", ["models.rfes=[a/b]"], ("rfes",)),
    "unknown key at the top": ("sweep", ["retries=3"], ("retries",)),
    "unknown key, added": ("sweep", ["+cluster.retries=3"], ("retries",)),
    "unknown key of verify": ("verify", ["profile.seed=1"], ("profile",)),
    "unknown key of report": ("report", ["stroe.url=x"], ("stroe",)),
    "text for a number": ("sweep", ["cluster.workers=many"], ("workers", "many")),
    "text for a flag": ("sweep", ["dry_run=perhaps"], ("dry_run", "perhaps")),
    "a number for a list": ("sweep", ["models.refs=3"], ("models.refs is a list: write 'models.refs=[3]'",)),
    "a model for a list": (
        "sweep",
        ["models.refs=org/m@v1"],
        ("models.refs is a list: write 'models.refs=[org/m@v1]'",),
    ),
    "a profile of one's own": ("report", ["profile=paper-exact"], ("paper, residual", "profile.name=paper-exact")),
    "a list for text": ("verify", ["store.url=[a,b]"], ("url",)),
    "text for a flag of report": ("report", ["debug=perhaps"], ("debug", "perhaps")),
    "no such vocabulary": ("report", ["vocabulary=strengthening"], ("vocabulary", "io, rw")),
    "no such vocabulary of compare": ("compare", ["vocabulary=enrichment"], ("vocabulary", "io, rw")),
    "no such width": ("report", ["width=3.3"], ("width", "page, column")),
    "a layer before the first": ("report", ["layers=[-1]"], ("layers=[-1]", "numbered from 0")),
    "a layer for a list": ("report", ["layers=5"], ("layers is a list: write 'layers=[5]'",)),
    "unknown key of compare": ("compare", ["models=paper"], ("models",)),
    "no such choice": ("sweep", ["profile.weights=folded"], ("profile.weights", "folded", "residual")),
    "no such regions": ("sweep", ["profile.regions=some"], ("profile.regions", "sampled")),
    "out of range": ("sweep", ["cluster.workers=0"], ("cluster.workers=0",)),
    "no such group option": ("sweep", ["models=papers"], ("papers", "paper_plain")),
    "no such group": ("sweep", ["wheels=round"], ("wheels",)),
    "unfinished list": ("sweep", ["models.refs=[a/b"], ("models.refs=[a/b",)),
    "no value": ("sweep", ["models.refs"], ("models.refs",)),
    "no bucket": ("verify", ["store=s3"], ("store.url is not set",)),
    "no texts": ("tokens", ["models.refs=[a/b]"], ("no texts: set data.text=PATH, or data.token_ids=FILE",)),
    "no models for texts": ("tokens", ["data.text=x"], ("no models asked for, whose tokenizers to use", "models.refs")),
    "ready tokens to be made": (
        "tokens",
        ["data.tokens=x"],
        ("data.tokens names tokens that are ready; to make some",),
    ),
    "texts and ids": (
        "tokens",
        ["data.text=x", "data.token_ids=y"],
        ("data.text and data.token_ids are given: give one",),
    ),
    "texts and tokens": (
        "tokens",
        ["data.text=x", "data.tokens=y"],
        ("data.text and data.tokens are given: give one",),
    ),
    "empty text": ("tokens", ["data.text=''"], ("data.text is empty",)),
    "empty name": ("tokens", ["data.name=' '"], ("data.name is empty",)),
    "empty column": ("tokens", ["data.column=''"], ("data.column is empty",)),
    "no length": ("tokens", ["data.max_length=0"], ("data.max_length=0: must be at least 1",)),
    "no tokens": ("tokens", ["data.max_tokens=0"], ("data.max_tokens=0: must be at least 1",)),
    "no tokens in shards": ("tokens", ["data.shard_tokens=-5"], ("data.shard_tokens=-5: must be at least 1",)),
    "negative seed": ("tokens", ["data.seed=-1"], ("data.seed=-1: must be at least 0 and below 2**64",)),
    "fractional tokens": ("tokens", ["data.max_tokens=1.5"], ("max_tokens", "1.5")),
    "no such log": ("tokens", ["log=xml"], ("log='xml': choose one of text, json",)),
    "several runs": ("sweep", ["--multirun", "profile.seed=1,2"], ("--multirun",)),
}


@pytest.fixture(autouse=True)
def no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("Ray was asked for")

    monkeypatch.setattr(driving, "connect", refuse)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return sound_checkpoint(tmp_path / "model")


def the_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    printed = capsys.readouterr()
    assert printed.out == ""
    lines = printed.err.splitlines()
    assert len(lines) == 1, printed.err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.mark.parametrize("case", SETTINGS)
def test_settings(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    job, overrides, words = SETTINGS[case]
    assert call_job(job, *overrides) == 1
    line = the_line(capsys)
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_tracebacks_are_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    assert call_job("sweep", "profile.weights=folded", "debug=true") == 1
    printed = capsys.readouterr().err
    assert "Traceback (most recent call last)" in printed
    assert printed.splitlines()[-1].startswith("error: profile.weights=")


@pytest.mark.parametrize("url", ["{tmp}/file/store", "/proc/store", "ftp://host/store"])
def test_a_store_that_cannot_be_written(
    url: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    url = url.format(tmp=tmp_path)
    assert call_job("sweep", f"models.refs=[{model}]", f"store.url={url}") == 1
    assert url in the_line(capsys)


@pytest.mark.parametrize("wrong", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", None])
def test_wrong_credentials(
    wrong: str | None, model: Path, moto: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = moto.environment() | ({wrong: "hunter2"} if wrong else {})
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
        if wrong is None:
            monkeypatch.delenv(name)
    url = f"s3://{moto.make_bucket(f'wrong-{wrong}'.lower().replace('_', '-'))}/results"
    store = [f"store.url={url}", f"store.endpoint_url={moto.endpoint_url}"]
    for job, overrides in (("sweep", [f"models.refs=[{model}]"]), ("verify", []), ("report", []), ("compare", [])):
        assert call_job(job, *overrides, *store) == 1
        line = the_line(capsys)
        assert url in line
        assert "AWS" in line
        assert "hunter2" not in line


def test_a_bucket_that_is_not_there(
    model: Path, moto: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in moto.environment().items():
        monkeypatch.setenv(name, value)
    overrides = ["store.url=s3://absent-bucket/results", f"store.endpoint_url={moto.endpoint_url}"]
    assert call_job("sweep", f"models.refs=[{model}]", *overrides) == 1
    assert "s3://absent-bucket/results" in the_line(capsys)


@pytest.mark.parametrize(
    ("override", "difference"),
    [
        ("profile.seed=1", "seed is 0 there and 1 here"),
        ("profile.regions=exact", ": regions is 'sampled' there and 'exact' here;"),
        ("profile.weights=residual", "weights is 'paper' there and 'residual' here"),
        ("profile.pairs=5", "pairs is 2000000 there and 5 here"),
    ],
)
@pytest.mark.parametrize("dry_run", ["true", "false"])
def test_a_profile_that_means_something_else_in_the_store(
    override: str, difference: str, dry_run: str, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claim_profile(open_objects(StoreSettings(url=str(tmp_path / "store"))), ProfileSettings())
    overrides = [f"models.refs=[{model}]", f"store.url={tmp_path / 'store'}", override, f"dry_run={dry_run}"]
    assert call_job("sweep", *overrides) == 1
    assert difference in the_line(capsys)


@pytest.mark.parametrize("claimed", [False, True])
def test_a_place_that_holds_no_published_model(
    claimed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No store at all, and one in which nothing is published yet."""
    store = tmp_path / "store"
    if claimed:
        claim_profile(open_objects(StoreSettings(url=str(store))), ProfileSettings())
    for job, overrides in (("report", [f"out={tmp_path / 'out'}"]), ("verify", [])):
        assert call_job(job, f"store.url={store}", *overrides) == 1
        assert the_line(capsys).startswith(f"error: {store}: no published models there")
    assert list(tmp_path.iterdir()) == ([store] if claimed else [])
