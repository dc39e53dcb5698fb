"""Sound files that are no model we read: each is refused in one line that names the cause, and none is analysed wrongly."""

import re
import tracemalloc
from pathlib import Path

import pytest

from gated_ray.architectures.finding import find_architecture
from gated_ray.errors import InputError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.checkpoints.alien import ALIEN, PARTS
from tests.checkpoints.broken import BROKEN
from tests.checkpoints.raw_models import edited, llama, moe, say
from tests.jobs.running import run_job

LONGEST = 1000
"""Characters of a line that is still read to its end."""


def test_there_are_forty_beyond_the_broken_files() -> None:
    assert len(ALIEN) >= 40
    assert not ALIEN.keys() & BROKEN.keys()
    assert len(ALIEN) == sum(map(len, PARTS)), "a name twice"


@pytest.mark.parametrize("name", ALIEN)
def test_refused_in_one_line_that_names_the_cause(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "m"
    ALIEN[name](folder)
    with pytest.raises(InputError) as refused:
        find_architecture(open_checkpoint(str(folder)))
    message = str(refused.value)
    assert message.startswith(f"{folder}: ")
    assert message.isprintable(), "a line break or an escape of the terminal"
    assert len(message) < LONGEST
    assert re.search(ALIEN[name].says, message.removeprefix(f"{folder}: ")), message


@pytest.mark.parametrize("key", ["num_hidden_layers", "num_experts"])
def test_a_number_in_the_config_costs_no_memory(tmp_path: Path, key: str) -> None:
    model = edited(moe() if key == "num_experts" else llama(), say(**{key: 10**6}))
    checkpoint = open_checkpoint(str(model.write(tmp_path)))
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="1000000"):
            find_architecture(checkpoint)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 << 20


SWEPT = (
    "gate_renamed_everywhere",
    "norm_missing_in_one_layer",
    "lora_in_the_mlp",
    "last_expert_missing",
    "fused_pair_of_experts_halved",
    "num_hidden_layers_larger",
    "method_hqq",
    "vit",
    "refused_zamba2",
    "unknown_fused_experts",
    "gguf_with_config",
)


@pytest.mark.slow
def test_a_sweep_plans_the_sound_one_and_refuses_the_others_in_a_line_each(tmp_path: Path) -> None:
    for name in SWEPT:
        ALIEN[name](tmp_path / name)
    llama("tomorrow_lm").write(tmp_path / "sound")
    refs = ",".join(f"./{name}" for name in (*SWEPT[:5], "sound", *SWEPT[5:]))
    done = run_job("sweep", f"models.refs=[{refs}]", "store.url=./store", "dry_run=true", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    failures = [line.removeprefix("FAILED ") for line in done.stderr.splitlines() if line.startswith("FAILED ")]
    assert len(failures) == len(SWEPT)
    for name in SWEPT:
        (line,) = (line for line in failures if line.startswith(f"./{name}: "))
        assert re.search(ALIEN[name].says, line)
    assert "Traceback" not in done.stdout + done.stderr
    planned, note = (line for line in done.stdout.splitlines() if "sound" in line)
    assert "not listed" in note
    assert planned.split()[2:5] == ["tomorrow_lm", "2", "48"], "type, blocks, neurons"
