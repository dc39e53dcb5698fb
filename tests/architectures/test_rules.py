"""The file of families is read strictly."""

import re
from importlib import resources

import pytest

from gated_ray.architectures.rules import Rule, families, parse_families

TEXT = resources.files("gated_ray.architectures").joinpath("families.toml").read_text()
BASE = TEXT[: TEXT.index("[[family.llama]]")]


def _parse(family: str) -> Rule:
    (rule,) = parse_families(f"{BASE}\n[[family.made_up]]\n{family}")["made_up"]
    return rule


def test_base_is_a_llama_block() -> None:
    rule = _parse("")
    assert rule.w_in == "layers.{layer}.mlp.up_proj.weight"
    assert rule == families()["llama"][0]


def test_override_changes_what_it_names_alone() -> None:
    rule = _parse('in = "x.{layer}.weight"\nnorm = "none"\nprefixes = ["a.", ""]\nwhen = { flag = true }')
    assert (rule.w_in, rule.norm, rule.prefixes, rule.when) == ("x.{layer}.weight", "none", ("a.", ""), {"flag": True})
    assert rule.w_out == _parse("").w_out


def test_a_family_may_have_several_rules() -> None:
    text = f'{BASE}\n[[family.made_up]]\n[[family.made_up]]\ncomponent = "other"'
    assert [rule.component for rule in parse_families(text)["made_up"]] == ["mlp", "other"]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ('gates = "x"', "gates"),
        ('w_in = "x"', "w_in"),
        ('norm = "batch"', "batch"),
        ('layout = "rows"', "rows"),
        ('gain = "2+w"', "2+w"),
        ('prefixes = "model."', "prefixes"),
        ('layers = "n_layer"', "layers"),
        ("component = 3", "component"),
        ('when = "always"', "when"),
        ("gate = false", "gate"),
    ],
)
def test_unknown_keys_and_values_are_refused(override: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)made_up.*{re.escape(named)}"):
        _parse(override)


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="families"):
        parse_families(f"{BASE}\n[[family.made_up]]\n[[families.made_up]]")


def test_an_incomplete_base_is_refused() -> None:
    with pytest.raises(ValueError, match="post_norm"):
        parse_families(BASE.replace('post_norm = ""', "") + "\n[[family.made_up]]")


@pytest.mark.parametrize("model_type", families())
def test_templates_name_the_layer(model_type: str) -> None:
    for rule in families()[model_type]:
        for template in (rule.gate, rule.w_in, rule.w_out, rule.pre_norm, rule.post_norm):
            assert not template or template.format(layer=3).count("3") == 1
        assert rule.w_in
        assert rule.w_out
