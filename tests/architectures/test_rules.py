"""The files of rules are read strictly, and what ships is sound."""

import re
from importlib import resources

import pytest

from gated_ray.architectures.rules import Form, Rule, Rules, built_in_rules, parse_rules

_PACKAGE = resources.files("gated_ray.architectures")
FORMS = _PACKAGE.joinpath("forms.toml").read_text(encoding="utf-8")
FAMILIES = _PACKAGE.joinpath("families.toml").read_text(encoding="utf-8")
BASE = FORMS + FAMILIES[: FAMILIES.index("[[family]]")]

RULES = [rule for family in built_in_rules().families.values() for rule in family]


def _rules(family: str) -> Rules:
    return parse_rules(f'{BASE}\n[[family]]\ntypes = ["made_up"]\n{family}')


def _parse(family: str) -> Rule:
    (rule,) = _rules(family).families["made_up"]
    return rule


def _form(text: str) -> Form:
    return parse_rules(f'{BASE}\n[form.made_up]\n{text}\n[[family]]\ntypes = ["made_up"]').forms["made_up"]


def test_base_is_a_llama_block() -> None:
    rule = _parse("")
    (llama,) = built_in_rules().families["llama"]
    assert {name: value for name, value in vars(rule).items() if name != "types"} == {
        name: value for name, value in vars(llama).items() if name != "types"
    }
    assert rule.norm == "rms"
    assert rule.pre_norm == "post_attention_layernorm.weight"
    assert "gate_proj" in rule.forms


def test_override_changes_what_it_names_alone() -> None:
    rule = _parse('norm = "none"\npre_norm = ""\nscales = ["a.weight", "b"]\nwhen = { flag = true }')
    assert (rule.norm, rule.pre_norm, rule.scales, rule.when) == ("none", "", ("a.weight", "b"), {"flag": True})
    assert rule.forms == _parse("").forms


def test_a_model_type_may_have_several_rules_in_order() -> None:
    rules = parse_rules(
        f'{BASE}\n[[family]]\ntypes = ["made_up", "other"]\n[[family]]\ntypes = ["made_up"]\nonly = ["expert"]'
    )
    assert [rule.only for rule in rules.families["made_up"]] == [(), ("expert",)]
    assert [rule.only for rule in rules.families["other"]] == [()]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ('gates = "x"', "gates"),
        ('w_in = "x"', "w_in"),
        ('norm = "batch"', "batch"),
        ('gain = "2+w"', "2+w"),
        ('forms = "gate_proj"', "forms"),
        ('forms = ["gate_projector"]', "gate_projector"),
        ('layers = "n_layer"', "layers"),
        ("only = 3", "only"),
        ("scales = [1]", "scales"),
        ('when = "always"', "when"),
        ("pre_norm = false", "pre_norm"),
        ('some_layers = "yes"', "some_layers"),
        ("some_layers = 1", "some_layers"),
        ('beside = ["("]', "beside"),
        ('left_out = ["*"]', "left_out"),
        ('stacks = { encoder_ = "[" }', "stacks"),
        ('modules = { mlp = "(?P<" }', "modules"),
    ],
)
def test_unknown_keys_and_values_are_refused(override: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)made_up.*{re.escape(named)}"):
        _rules(override)


@pytest.mark.parametrize("tables", ["stacks = { encoder_ = 3 }", "modules = { mlp = true }", 'stacks = { "" = ["a"] }'])
def test_patterns_of_tables_are_strings(tables: str) -> None:
    with pytest.raises(ValueError, match=rf"made_up.*{tables[:6]}"):
        _rules(tables)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('in = "a.weight"\nout = "b.weight"\nfused = "gate_down"', "gate_down"),
        ('in = "a.weight"\nout = "b.weight"\nlayout = "rows"', "rows"),
        ('in = "a.weight"\nout = "b.weight"\ndown = "c"', "down"),
        ('in = "a.weight"\nout = 3', "out"),
        ('in = "a.weight"\nout = "b.weight"\nbiases = "c"', "biases"),
    ],
)
def test_wrong_forms_are_refused(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=rf"(?s)made_up.*{re.escape(named)}"):
        _form(text)


@pytest.mark.parametrize(
    "text",
    [
        'in = "a.weight"',
        'out = "b.weight"',
        'gate = "g.weight"\nin = "a.weight"\nout = "b.weight"\nfused = "gate_up"',
        'in = "a.weight"\nout = "b.weight"\nfused = "up_gate"',
        'gate = "a.weight"\nin = "a.weight"\nout = "b.weight"',
    ],
)
def test_forms_that_contradict_themselves_are_refused(text: str) -> None:
    """Without in or out; fused in two tensors or without a gate; one tensor for gate and in, and no word of fusion."""
    with pytest.raises(ValueError, match="form made_up"):
        _form(text)


def test_a_plain_form_has_no_gate() -> None:
    form = _form('in = "a.weight"\nout = "b.weight"')
    assert (form.gate, form.fused, form.layout, form.names) == ("", "", "linear", ("a.weight", "b.weight"))


def test_unknown_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="families"):
        parse_rules(f'{BASE}\n[[family]]\ntypes = ["made_up"]\n[[families]]\ntypes = ["made_up"]')


@pytest.mark.parametrize("types", ["", "types = []"])
def test_a_family_without_types_is_refused(types: str) -> None:
    with pytest.raises(ValueError, match="types"):
        parse_rules(f"{BASE}\n[[family]]\n{types}\n")


def test_an_incomplete_base_is_refused() -> None:
    with pytest.raises(ValueError, match="post_norms"):
        parse_rules(BASE.replace("post_norms = []", "") + '\n[[family]]\ntypes = ["made_up"]')


@pytest.mark.parametrize("name", built_in_rules().forms)
def test_shipped_forms_are_whole(name: str) -> None:
    form = built_in_rules().forms[name]
    assert form.w_in
    assert form.w_out
    assert form.w_out not in (form.gate, form.w_in)
    assert (form.gate == form.w_in) == bool(form.fused)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.types[0])
def test_shipped_rules_are_whole(rule: Rule) -> None:
    assert rule.forms
    assert rule.norm != "none" or not rule.pre_norm, "a norm that is not there has no gain"


def test_no_rule_can_never_apply() -> None:
    """Of two rules of a type with the same conditions and components, the second must ask for other norms, forms or stacks."""
    for model_type, family in built_in_rules().families.items():
        asked = [
            (
                tuple(sorted(rule.when.items())),
                rule.only,
                rule.forms,
                tuple(rule.stacks.items()),
                rule.pre_norm,
                rule.post_norms,
                rule.scales,
                rule.tanh_scales,
            )
            for rule in family
        ]
        assert len(set(asked)) == len(asked), model_type
