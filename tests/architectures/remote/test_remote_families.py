"""Families whose code is kept on the Hub: the vectors found by names are those that their blocks compute with."""

import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from gated_ray import analyze
from gated_ray.architectures import finding
from gated_ray.architectures.finding import find_blocks
from gated_ray.architectures.rules import Form, built_in_rules
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.architectures.remote.dense import DENSE
from tests.architectures.remote.mixtures import ENCODERS, MIXTURES
from tests.architectures.remote.models import D, F, Mlp, llama, save, separate
from tests.architectures.remote.reading import check_cosines, read, reproduces

FAMILIES = {**DENSE, **MIXTURES, **ENCODERS}
SWAPPED = {"": "", "gate_up": "up_gate", "up_gate": "gate_up"}


@pytest.mark.parametrize("name", FAMILIES)
def test_vectors_reproduce_the_blocks(name: str, tmp_path: Path) -> None:
    live = save(FAMILIES[name], tmp_path)
    found = read(tmp_path)
    assert found.keys() == live.keys()
    for key, block in found.items():
        assert reproduces(block, live[key]), f"{key} computes something else"
        assert block.block.multiplier == pytest.approx(FAMILIES[name].multiplier, rel=1e-12)


@pytest.mark.parametrize("profile", ["paper", "residual"])
@pytest.mark.parametrize("name", FAMILIES)
def test_cosines_are_those_of_the_vectors(name: str, profile: str, tmp_path: Path) -> None:
    live = save(FAMILIES[name], tmp_path)
    neurons = analyze(str(tmp_path), profile, regions="none").neurons
    for key, block in read(tmp_path).items():
        check_cosines(block, live[key], neurons, residual=profile == "residual")


@pytest.mark.parametrize("name", FAMILIES)
def test_gate_and_in_the_other_way_round_would_be_seen(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = save(FAMILIES[name], tmp_path)
    rules = built_in_rules()
    swapped = replace(rules, forms={key: _swapped(form) if form.gate else form for key, form in rules.forms.items()})
    monkeypatch.setattr(finding, "load_rules", lambda extra: swapped)
    for key, block in read(tmp_path).items():
        assert not reproduces(block, live[key])


def _swapped(form: Form) -> Form:
    return replace(form, gate=form.w_in, w_in=form.gate, fused=SWAPPED.get(form.fused, form.fused))


REFUSED = [
    ("internlmxcomposer2", {}, "Plora"),
    ("phi3small", {}, "clamps"),
    ("plamo2", {}, "5 ** -1.5"),
    ("plamo3", {}, "5 ** -1.5"),
    ("chatglm", {"position_encoding_2d": True}, "not gated"),
    ("stripedhyena", {"evo2_style_activations": True}, "no activation"),
    ("nomic_bert", {"prenorm": True}, "prenorm"),
    ("hf_olmo", {"norm_after": True, "layer_norm_type": "default"}, "norm_after"),
]


def test_every_type_of_the_file_has_a_tiny_model_or_is_refused() -> None:
    text = resources.files("gated_ray.architectures").joinpath("families_remote.toml").read_text(encoding="utf-8")
    listed = {model_type for family in tomllib.loads(text)["family"] for model_type in family["types"]}
    configs = [family.config for family in FAMILIES.values()]
    inner = [value for config in configs for value in config.values() if isinstance(value, dict)]
    tried = {config.get("model_type") for config in (*configs, *inner)} | {model_type for model_type, _, _ in REFUSED}
    tried |= {name for config in configs for name in config.get("architectures", ())}
    assert listed <= tried


@pytest.mark.parametrize(("model_type", "keys", "reason"), REFUSED)
def test_refused_by_name(model_type: str, keys: dict[str, object], reason: str, tmp_path: Path) -> None:
    save(llama(model_type, **keys), tmp_path)
    with pytest.raises(UnsupportedError, match=rf"{model_type}.*{reason.replace('*', '.')}"):
        find_blocks(open_checkpoint(str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("chatglm", {"stack": "transformer.layers"}, "should have dense_h_to_4h"),
        ("chatglm", {"norm": replace(DENSE["chatglm"].norm, kind="layer with bias")}, "makes the norm a LayerNorm"),
        ("jais", {"config": {**DENSE["jais"].config, "activation_function": "gelu"}}, "activation_function='gelu'"),
        ("openelm", {"config": {**DENSE["openelm"].config, "ffn_with_glu": False}}, "ffn_with_glu=False"),
        ("hf_olmo", {"config": {**DENSE["hf_olmo"].config, "activation_type": "gelu"}}, "activation_type='gelu'"),
        ("llada", {"config": {**DENSE["llada"].config, "layer_norm_type": "gemma_rms"}}, "layer_norm_type='gemma_rms'"),
        ("orion", {"config": {**DENSE["orion"].config, "intermediate_size": 2 * F}}, "intermediate_size=40"),
        ("internlm2", {"others": {"feed_forward.w1.Plora_A.weight": (4, D)}}, "Plora_A.* is not understood"),
        ("nemotron-nas", {"others": {"/model.layers.1.mlp.linear.weight": (D, D)}}, "no block has mlp.linear"),
        ("mosaic_bert", {"mlps": (Mlp("mlp.", separate("gated_layers", "gated_layers", "wo")),)}, "disagrees"),
        ("jina_v2", {"others": {"mlp.norm.weight": (F,)}}, "mlp.norm.weight .* is not understood"),
    ],
)
def test_variants_of_other_meaning_are_refused(name: str, changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    save(replace(FAMILIES[name], **changes), tmp_path)
    with pytest.raises((UnsupportedError, CheckpointError), match=reason):
        find_blocks(open_checkpoint(str(tmp_path)))


@pytest.mark.parametrize(
    ("name", "key"), [("deepseek_vl_v2", "language_config"), ("kimi_vl", "text_config"), ("step3", "text_config")]
)
def test_the_type_of_the_whole_does_where_the_text_model_has_none(name: str, key: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    inner = {entry: value for entry, value in family.config[key].items() if entry != "model_type"}
    live = save(replace(family, config={**family.config, key: inner}), tmp_path)
    found = read(tmp_path)
    assert found.keys() == live.keys()
    assert all(reproduces(found[each], live[each]) for each in live)
