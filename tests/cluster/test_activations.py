"""jobs.activations end to end: a trained model, real text, two workers, killed once; and what it says of bad input."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import gated_ray
from gated_ray.cluster.activations import run_activations
from gated_ray.cluster.result import SweepResult
from gated_ray.settings import (
    ActivationsSettings,
    ClusterSettings,
    DataSettings,
    ModelsSettings,
    ProfileSettings,
    StatisticsSettings,
    StoreSettings,
)
from gated_ray.store.keys import ACTIVATION_TABLES
from gated_ray.store.objects import open_objects
from gated_ray.store.verify import verify_store
from tests.activations.taking import Taker
from tests.checkpoints.demo_texts import write_texts
from tests.checkpoints.tiny import tiny_checkpoint
from tests.conformance.tiny_models import save_tiny
from tests.jobs.running import call_job, started_job

ROOT = Path(__file__).parents[2]
TINY = f"{ROOT}/tests/data/tiny-docs-llama"
QUICK = ProfileSettings(regions="none")
SHARD_TOKENS, MAX_TOKENS = 400, 4_000

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the kind that the model was trained on."""
    return write_texts(tmp_path_factory.mktemp("texts") / "docs.jsonl")


def settings_of(
    store: Path, refs: Sequence[str | Path], data: DataSettings, workers: int = 1, **other: Any
) -> ActivationsSettings:
    return ActivationsSettings(
        models=ModelsSettings(refs=[str(ref) for ref in refs]),
        data=data,
        store=StoreSettings(url=str(store)),
        profile=QUICK,
        cluster=ClusterSettings(workers=workers),
        **other,
    )


def text_data(texts: Path) -> DataSettings:
    return DataSettings(text=str(texts), max_length=128, max_tokens=MAX_TOKENS, shard_tokens=SHARD_TOKENS)


def given(tmp_path: Path, documents: Any, name: str = "ids.json") -> DataSettings:
    file = tmp_path / name
    file.write_text(json.dumps(documents), encoding="utf-8")
    return DataSettings(token_ids=str(file))


def published(store: Path) -> dict[str, bytes]:
    return {
        path.relative_to(store).as_posix(): path.read_bytes()
        for table in ACTIVATION_TABLES
        for path in (store / table).rglob("*.parquet")
    }


def problems(store: Path) -> list[str]:
    return [str(problem) for problem in verify_store(open_objects(StoreSettings(url=str(store)))).problems]


def messages(result: SweepResult) -> list[str]:
    return [failure.message for failure in result.failures]


def shards_done(store: Path) -> int:
    return len(list((store / "_units").glob("model=*/**/shard-*.json")))


def test_killed_once_and_run_again(texts: Path, tmp_path: Path) -> None:
    store, undisturbed = tmp_path / "store", tmp_path / "undisturbed"
    refs = [f"{TINY}@main", f"{TINY}@step200"]
    data = text_data(texts)
    overrides = [
        f"models.refs=[{','.join(refs)}]",
        f"store.url={store}",
        *(f"data.{name}={getattr(data, name)}" for name in ("text", "max_length", "max_tokens", "shard_tokens")),
        "profile.regions=none",
        "cluster.workers=2",
    ]
    with started_job("activations", *overrides, cwd=tmp_path) as job:
        job.wait_until(lambda: shards_done(store) >= 3)
        job.process.kill()
        job.process.wait(60)
    before = shards_done(store)
    assert 3 <= before < 20
    assert published(store) == {}

    rerun = run_activations(settings_of(store, refs, data, workers=2))
    assert messages(rerun) == []
    assert 0 < rerun.units_done <= 20 - before  # a worker that outlived the driver may have finished one more
    assert run_activations(settings_of(undisturbed, refs, data)).failures == ()

    files, expected = published(store), published(undisturbed)
    assert files.keys() == expected.keys()
    assert len(files) == 2 * len(ACTIVATION_TABLES)
    for key in files:
        if key.startswith("activation_models/"):
            rows = [pq.read_table(folder / key).drop(["seconds"]) for folder in (store, undisturbed)]
            assert rows[0].equals(rows[1])
        else:
            assert files[key] == expected[key], key
    assert problems(store) == []
    assert run_activations(settings_of(store, refs, data)).units_done == 0
    check_numbers(store)


def check_numbers(store: Path) -> None:
    """The same as in one process and one shard, up to what the shape of a batch makes of rounding; examples can be shown."""
    opened = gated_ray.open_store(str(store))
    (row,) = (each for each in opened.activation_models().to_pylist() if each["requested_revision"] == "main")
    tokens = opened.tokens(row["dataset_name"], row["tokenizer_digest"]).to_table().sort_by("document")
    documents = tokens["ids"].to_pylist()
    assert row["documents"] == len(documents)
    assert row["tokens"] == sum(map(len, documents)) >= MAX_TOKENS
    activations, examples = Taker(f"{TINY}@main").tables(documents)
    ours = opened.activations(revision=row["model_revision"]).to_table()
    for name in ("tokens", "sign", "neuron"):
        assert ours[name].to_pylist() == activations[name].to_pylist()
    for name in (name for name in activations.column_names if name.endswith("_freq")):
        off = np.abs(ours[name].to_numpy() - activations[name].to_numpy()) * row["tokens"]
        assert off.max() < 2.5
        assert (off > 0.5).mean() <= 0.003
    shown = opened.examples(revision=row["model_revision"]).to_table()
    ours, theirs = (table.to_pandas() for table in (shown, examples))
    place = ["layer", "neuron", "quadrant", "quantity", "rank"]
    assert ours[place].astype(str).equals(theirs[place].astype(str))
    np.testing.assert_allclose(ours["value"], theirs["value"], rtol=1e-5, atol=1e-6)
    other = (ours[["document", "position"]] != theirs[["document", "position"]]).any(axis=1)
    assert other.mean() < 1e-3  # other batches round otherwise: of values this close either may be first
    example = shown.slice(1000, 1).to_pylist()[0]
    document = tokens.slice(example["document"], 1).to_pylist()[0]
    start = document["starts"][example["position"]]
    assert document["text"][start:]


def test_texts_that_changed_are_refused(texts: Path, tmp_path: Path) -> None:
    changed = tmp_path / "docs.jsonl"
    shutil.copy(texts, changed)
    data = DataSettings(text=str(changed), max_length=16, max_tokens=100, shard_tokens=50)
    assert messages(run_activations(settings_of(tmp_path / "store", [f"{TINY}@main"], data))) == []
    changed.write_text(changed.read_text() + '{"text": "one more"}\n')
    (message,) = messages(run_activations(settings_of(tmp_path / "store", [f"{TINY}@main"], data)))
    assert "token dataset 'docs' in" in message
    assert "give this one another data.name" in message


def test_a_dry_run_binds_nobody_to_its_settings_and_a_run_does(tmp_path: Path) -> None:
    data, refs = given(tmp_path, [[1, 2, 3]]), [f"{TINY}@main"]
    tried = settings_of(tmp_path / "store", refs, data, statistics=StatisticsSettings(top=8), dry_run=True)
    (model,) = run_activations(replace(tried, profile=ProfileSettings(regions="exact"))).models
    assert (model.units_left, model.size_left) == (1, 3)
    assert messages(run_activations(settings_of(tmp_path / "store", refs, data))) == []
    for again in (tried, replace(tried, dry_run=False)):
        (message,) = messages(run_activations(again))
        assert (
            "activation statistics over 'ids' under profile 'paper' with other settings: top is 16 there and 8 here"
            in message
        )


def test_a_token_without_an_embedding_is_no_matter_until_a_text_has_it(texts: Path, tmp_path: Path) -> None:
    """As of Gemma-3 1B, whose tokenizer has one more for pictures."""
    model = tmp_path / "model"
    shutil.copytree(f"{TINY}/main", model)
    document = json.loads((model / "tokenizer.json").read_text())
    document["added_tokens"].append({**document["added_tokens"][0], "id": 2048, "content": "<picture>"})
    (model / "tokenizer.json").write_text(json.dumps(document))
    data = DataSettings(text=str(texts), max_length=16, max_tokens=100)
    assert messages(run_activations(settings_of(tmp_path / "store", [model], data))) == []
    (tmp_path / "odd.jsonl").write_text('{"text": "a <picture>"}\n')
    odd = DataSettings(text=str(tmp_path / "odd.jsonl"))
    (message,) = messages(run_activations(settings_of(tmp_path / "store", [model], odd)))
    assert "token id 2048" in message
    tiny_checkpoint(model, "llama")  # has 40
    (message,) = messages(run_activations(settings_of(tmp_path / "store", [model], data)))
    assert "has 2,048 tokens, but its embedding (vocab_size) 40; it is the tokenizer of another model" in message


def test_one_bad_model_does_not_stop_the_others(tmp_path: Path) -> None:
    """Each is one line that says which, why, and what to do."""
    save_tiny("bitnet", tmp_path / "bitnet")
    tiny_checkpoint(tmp_path / "gpt2", "gpt2")
    tiny_checkpoint(tmp_path / "t5", "t5", feed_forward_proj="gated-gelu")
    tiny_checkpoint(tmp_path / "small", "llama")  # its embedding has 40 rows
    save_tiny("dbrx", tmp_path / "dbrx")
    refs = [tmp_path / name for name in ("bitnet", "gpt2", "t5", "small", "dbrx", "nothing")]
    data = given(tmp_path, [[1, 2, 3], [], [7, 100, 9], list(range(600)) * 2])
    result = run_activations(settings_of(tmp_path / "store", [*refs, f"{TINY}@main"], data))
    found = {failure.reference.rpartition("/")[2]: failure.message for failure in result.failures}
    assert found.keys() == {"bitnet", "gpt2", "t5", "small", "dbrx", "nothing"}
    assert "a norm over the neurons" in found["bitnet"]
    assert "has plain MLPs; activation statistics are of gated neurons" in found["gpt2"]
    assert "is an encoder-decoder" in found["t5"]
    assert "token id 100 (document 2, position 1) is not in its embedding of 40 tokens" in found["small"]
    assert "layer 0 (expert): no module of DbrxModel computes with these weights" in found["dbrx"]
    assert all(message.startswith(f"{tmp_path}/{name}: ") for name, message in found.items())
    (row,) = gated_ray.open_store(str(tmp_path / "store")).activation_models().to_pylist()
    assert (row["documents"], row["cut_documents"], row["tokens"]) == (3, 1, 3 + 3 + 512)  # its context is 512
    assert problems(tmp_path / "store") == []


def test_neurons_joined_with_their_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = tmp_path / "store"
    assert (
        call_job(
            "sweep", f"models.refs=[{TINY}@main]", f"store.url={store}", "profile.regions=none", "cluster.workers=1"
        )
        == 0
    )
    data = given(tmp_path, [[1, 2, 3], [4, 5]])
    overrides = [
        f"models.refs=[{TINY}@main]",
        f"store.url={store}",
        f"data.token_ids={data.token_ids}",
        "profile.regions=none",
        "cluster.workers=1",
    ]
    assert call_job("activations", *overrides) == 0
    opened = gated_ray.open_store(str(store))
    both = opened.neurons_with_activations()
    assert both.num_rows == 2304
    assert {"io_class", "cos_in_out", "gate_positive_freq", "gate+_in+_mean_post"} <= set(both.column_names)
    assert both["sign"].to_pylist() == opened.neurons().to_table()["sign"].to_pylist()
    assert both["sign"].to_pylist() == opened.activations().to_table()["sign"].to_pylist()


def test_tokens_of_another_store_are_copied(texts: Path, tmp_path: Path) -> None:
    made, store = tmp_path / "made", tmp_path / "store"
    limits = ["data.max_length=32", "data.max_tokens=300", "data.shard_tokens=100"]
    assert call_job("tokens", f"models.refs=[{TINY}@main]", f"data.text={texts}", f"store.url={made}", *limits) == 0
    result = run_activations(settings_of(store, [f"{TINY}@main"], DataSettings(tokens=str(made))))
    assert messages(result) == []
    shutil.rmtree(made)
    opened = gated_ray.open_store(str(store))
    assert opened.tokens("docs").count_rows() == opened.activation_models()["documents"][0].as_py()
    assert problems(store) == []
