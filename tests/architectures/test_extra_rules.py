"""``architectures.extra=FILE``: a user's rules for models that nobody listed, or that are listed and yet other."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from gated_ray.architectures.finding import find_architecture
from gated_ray.architectures.rules import load_rules
from gated_ray.errors import CheckpointError, InputError, UnsupportedError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.architectures.measured import architecture_of, assert_numbers, measured, prepared, vectors
from tests.checkpoints.raw_models import (
    D_MLP,
    D_MODEL,
    LAYERS,
    RawModel,
    edited,
    gated,
    llama,
    model_of,
    norms,
    phi3,
    rename,
    say,
)

OSPREY = model_of("osprey", {**norms("ln_a", "ln_b", "ln_c"), **gated("mlp")}, intermediate_size=D_MLP)
OSPREY_RULES = """
[[family]]
types = ["osprey"]
pre_norm = "ln_b.weight"
post_norms = ["ln_c.weight"]
gain = "1+w"
"""

# Names, order and keys of its own: up before gate in one matrix, inputs first, a plain norm, an output scale.
HERON = RawModel(
    {"model_type": "heron", "width": D_MODEL, "ffn_width": D_MLP, "n_blocks": LAYERS, "branch_scale": 0.5},
    {
        f"trunk.{layer}.{name}": shape
        for layer in range(LAYERS)
        for name, shape in {
            "pre.weight": (D_MODEL,),
            "ffn.fused.weight": (D_MODEL, 2 * D_MLP),
            "ffn.out.weight": (D_MLP, D_MODEL),
        }.items()
    },
)
HERON_RULES = """
[form.heron]
gate = "fused.weight"
in = "fused.weight"
out = "out.weight"
fused = "up_gate"
layout = "conv1d"

[[family]]
types = ["heron"]
forms = ["heron"]
norm = "layer"
pre_norm = "pre.weight"
multiplier = "branch_scale"
layers = ["n_blocks"]
d_model = ["width"]
d_mlp = ["ffn_width"]
activation = []
activation_name = "silu"
"""


def _file(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "rules.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("profile", ["paper", "residual"])
def test_known_names_and_other_norms(tmp_path: Path, profile: str) -> None:
    with pytest.raises(UnsupportedError, match=r"osprey.*ln_a, ln_b, ln_c.*architectures\.extra"):
        architecture_of(OSPREY, tmp_path / "m")
    extra = _file(tmp_path, OSPREY_RULES)
    expected = {
        (layer, "mlp", None): vectors(
            OSPREY, f"model.layers.{layer}", pre="ln_b", posts=["ln_c"], plus=1.0, profile=profile
        )
        for layer in range(LAYERS)
    }
    assert_numbers(measured(OSPREY, tmp_path / "m", profile, extra), expected)
    found = architecture_of(OSPREY, tmp_path / "m", extra)
    assert (found.resolved_by, found.model_type, found.caveat) == ("extra", "osprey", None)


@pytest.mark.parametrize("profile", ["paper", "residual"])
def test_names_of_its_own(tmp_path: Path, profile: str) -> None:
    with pytest.raises(UnsupportedError, match=r"heron.*trunk\.N\.ffn\.fused\.weight"):
        architecture_of(HERON, tmp_path / "m")
    expected = {}
    for layer in range(LAYERS):
        up, gate = np.split(HERON[f"trunk.{layer}.ffn.fused.weight"].T, 2)
        out = HERON[f"trunk.{layer}.ffn.out.weight"] * (0.5 if profile == "residual" else 1.0)
        expected[layer, "mlp", None] = prepared(
            HERON, f"trunk.{layer}", (gate, up, out), pre="pre", posts=(), norm="layer", plus=0.0, profile=profile
        )
    extra = _file(tmp_path, HERON_RULES)
    assert_numbers(measured(HERON, tmp_path / "m", profile, extra), expected)
    assert {block.activation for block in architecture_of(HERON, tmp_path / "m", extra).blocks} == {"silu"}


def test_a_model_renamed(tmp_path: Path) -> None:
    """A Llama whose tensors someone renamed: one form and one family."""
    renamed = edited(llama("my_llama"), rename(r"mlp\.(gate|up|down)_proj", r"mlp.\1"))
    extra = _file(
        tmp_path,
        '[form.mine]\ngate = "gate.weight"\nin = "up.weight"\nout = "down.weight"\n'
        '[[family]]\ntypes = ["my_llama"]\nforms = ["mine"]\nbeside = []\n',
    )
    blocks = architecture_of(renamed, tmp_path / "m", extra).blocks
    assert [block.w_out.name for block in blocks] == [
        f"model.layers.{layer}.mlp.down.weight" for layer in range(LAYERS)
    ]


def test_a_built_in_type_is_overridden_and_no_other(tmp_path: Path) -> None:
    """phi3 with up before gate: the same tensors, gate and in exchanged."""
    extra = _file(
        tmp_path,
        '[form.up_first]\ngate = "gate_up_proj.weight"\nin = "gate_up_proj.weight"\nout = "down_proj.weight"\n'
        'fused = "up_gate"\n[[family]]\ntypes = ["phi3"]\nforms = ["up_first"]\n',
    )
    for model_type, expected, by in (("phi3", (D_MLP, 0), "extra"), ("llama", (0, D_MLP), "rules")):
        found = architecture_of(phi3(model_type), tmp_path / model_type, extra)
        assert found.resolved_by == by
        for block in found.blocks:
            assert block.gate is not None
            assert (block.gate.first, block.w_in.first) == expected


def test_what_is_said_of_a_type_replaces_all_that_was_known(tmp_path: Path) -> None:
    four = norms(
        "input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"
    )
    gemma2 = model_of("gemma2", {**four, **gated("mlp")}, intermediate_size=D_MLP)
    rule = 'pre_norm = "pre_feedforward_layernorm.weight"\npost_norms = ["post_feedforward_layernorm.weight"]\n'
    extra = _file(tmp_path, f'[[family]]\ntypes = ["gemma2"]\n{rule}')
    before, after = (architecture_of(gemma2, tmp_path / "m", each).blocks[0] for each in (None, extra))
    assert [factor.kind for factor in before.factors] == ["1+w", "1+w"]
    assert [factor.kind for factor in after.factors] == ["w", "w"]


def test_a_type_that_is_refused_may_be_described(tmp_path: Path) -> None:
    extra = _file(tmp_path, '[[family]]\ntypes = ["zamba"]\n')
    assert architecture_of(llama("zamba"), tmp_path / "m", extra).resolved_by == "extra"


def test_a_type_may_be_refused_by_the_user(tmp_path: Path) -> None:
    extra = _file(tmp_path, '[[family]]\ntypes = ["llama"]\nrefuse = "we do not want it"\n')
    with pytest.raises(UnsupportedError, match=r"'llama'.*we do not want it"):
        architecture_of(llama(), tmp_path / "m", extra)


def test_everything_is_still_checked(tmp_path: Path) -> None:
    """A rule says where to look; shapes, sizes, norms and left-over tensors are held against it as ever."""
    extra = _file(tmp_path, OSPREY_RULES)
    with pytest.raises(CheckpointError, match="intermediate_size=99"):
        architecture_of(edited(OSPREY, say(intermediate_size=99)), tmp_path / "a", extra)
    with pytest.raises(CheckpointError, match=r"lacks ln_b\.weight"):
        architecture_of(edited(OSPREY, rename("ln_b", "ln_d")), tmp_path / "b", extra)


def test_the_order_of_rules_and_when_decide(tmp_path: Path) -> None:
    text = "".join(
        f'[[family]]\ntypes = ["osprey"]\npre_norm = "{norm}.weight"\nwhen = {{ variant = {value} }}\n'
        for norm, value in (("ln_a", 1), ("ln_b", 2), ("ln_c", 2))
    )
    extra = _file(tmp_path, text)
    for variant, norm in ((1, "ln_a"), (2, "ln_b")):
        blocks = architecture_of(edited(OSPREY, say(variant=variant)), tmp_path / "m", extra).blocks
        assert {block.pre_norm.record.name for block in blocks if block.pre_norm} == {
            f"model.layers.{layer}.{norm}.weight" for layer in range(LAYERS)
        }
    with pytest.raises(UnsupportedError, match="variant=3"):
        architecture_of(edited(OSPREY, say(variant=3)), tmp_path / "m", extra)


FAMILY = '[[family]]\ntypes = ["osprey"]\n'
FORM = '[form.mine]\nin = "a.weight"\nout = "b.weight"\n'

# What the line must contain beside the file.
WRONG: dict[str, tuple[str, str]] = {
    "no TOML": ("[[family", "array declaration"),
    "a key twice": (f'{FAMILY}types = ["kite"]\n', "line 3"),
    "an unknown table": (f"{FAMILY}[settings]\nregions = 1\n", "settings"),
    "a base": (f'{FAMILY}[base]\nnorm = "none"\n', "base"),
    "family that is a word": ('family = "osprey"\n', "family"),
    "family that is one table": ('[family]\ntypes = ["osprey"]\n', "family"),
    "form that is a word": ('form = "mine"\n', "form"),
    "form without a name": ('[form]\nin = "a.weight"\n', "form"),
    "types left out": ('[[family]]\nnorm = "none"\n', "types"),
    "types that are one word": ('[[family]]\ntypes = "osprey"\n', "types"),
    "types that are a number": ("[[family]]\ntypes = 3\n", "types"),
    "types that are none": ("[[family]]\ntypes = []\n", "types"),
    "types that are numbers": ("[[family]]\ntypes = [1]\n", "types"),
    "an unknown key": (f'{FAMILY}prenorm = "x"\n', "prenorm"),
    "a key of the code": (f'{FAMILY}w_in = "x"\n', "w_in"),
    "an unknown norm": (f'{FAMILY}norm = "batch"\n', "norm='batch'"),
    "an unknown gain": (f'{FAMILY}gain = "w+1"\n', "gain='w\\+1'"),
    "a word for a list": (f'{FAMILY}post_norms = "x.weight"\n', "post_norms"),
    "a list for a word": (f'{FAMILY}pre_norm = ["x.weight"]\n', "pre_norm"),
    "an unknown form": (f'{FAMILY}forms = ["mine"]\n', "mine"),
    "no form at all": (f"{FAMILY}forms = []\n", "forms"),
    "a broken pattern beside": (f'{FAMILY}beside = ["("]\n', "beside"),
    "a broken pattern of what is left out": (f'{FAMILY}left_out = ["*vision"]\n', "left_out"),
    "a broken pattern of stacks": (f'{FAMILY}stacks = {{ encoder_ = "(" }}\n', "stacks"),
    "a broken pattern of modules": (f'{FAMILY}modules = {{ mlp = "[" }}\n', "modules"),
    "a pattern that is a number": (f"{FAMILY}stacks = {{ encoder_ = 1 }}\n", "stacks"),
    "a norm that is none and has a gain": (f'{FAMILY}norm = "none"\n', "pre_norm"),
    "a placeholder that is none": (f'{FAMILY}pre_norm = "{{layer}}.norm.weight"\n', r"\{layer\}.*placeholders"),
    "a multiplier that is a formula": (f'{FAMILY}multiplier = "2 * scale"\n', "multiplier"),
    "a product with a call of Python": (f"{FAMILY}product = \"__import__('os').getcwd() * in\"\n", "product"),
    "a product that is no formula": (f'{FAMILY}product = "act(gate * in"\n', "product"),
    "an unknown fusion": (f'{FORM}fused = "gate_down"\n', "fused='gate_down'"),
    "an unknown layout": (f'{FORM}layout = "rows"\n', "layout='rows'"),
    "an unknown key of a form": (f'{FORM}down = "c"\n', "down"),
    "a form without out": ('[form.mine]\nin = "a.weight"\n', "mine.*out"),
    "a form without in": ('[form.mine]\nout = "a.weight"\n', "mine.*in"),
    "a fusion of two tensors": (f'{FORM}gate = "g.weight"\nfused = "gate_up"\n', "mine.*fused"),
    "one tensor and no fusion": (f'{FORM}gate = "a.weight"\n', "mine.*fused"),
    "out that is in": ('[form.mine]\nin = "a.weight"\nout = "a.weight"\n', "mine.*out"),
    "a form with another name": (f'{FORM}name = "yours"\n', "mine.*name"),
    "a form that is built in": (
        '[form.gate_proj]\ngate = "up_proj.weight"\nin = "gate_proj.weight"\nout = "down_proj.weight"\n',
        "gate_proj",
    ),
    "nothing at all": ("", "family"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_every_error_is_one_line_that_names_file_and_key(tmp_path: Path, wrong: str) -> None:
    text, says = WRONG[wrong]
    extra = _file(tmp_path, text)
    folder = llama().write(tmp_path / "m")
    with pytest.raises(InputError) as refused:
        find_architecture(open_checkpoint(str(folder)), str(extra))
    message = str(refused.value)
    assert message.startswith(f"architectures.extra={extra}: ")
    assert message.isprintable()
    assert re.search(says, message.removeprefix(f"architectures.extra={extra}: ")), message


@pytest.mark.parametrize("kind", ["absent", "folder", "binary"])
def test_a_file_that_cannot_be_read(tmp_path: Path, kind: str) -> None:
    extra = tmp_path / "rules.toml"
    if kind == "folder":
        extra.mkdir()
    elif kind == "binary":
        extra.write_bytes(b"\xff\xfe[[family]]")
    with pytest.raises(InputError, match=rf"^architectures.extra={re.escape(str(extra))}: .+") as refused:
        load_rules(str(extra))
    assert str(refused.value).isprintable()
    assert str(refused.value).count(str(extra)) == 1


@pytest.mark.parametrize("key", ["caveat", "product", "multiplier", "pre_norm", "refuse", "activation_name"])
def test_the_file_runs_no_code(tmp_path: Path, key: str) -> None:
    marker = tmp_path / "ran"
    code = f"__import__('pathlib').Path('{marker}').touch()"
    extra = _file(tmp_path, f'[[family]]\ntypes = ["llama"]\n{key} = "{code}"\n')
    with suppress(InputError):
        measured(llama(), tmp_path / "m", "residual", extra)
    assert not marker.exists()


def test_a_file_that_changed_is_read_again(tmp_path: Path) -> None:
    extra = _file(tmp_path, OSPREY_RULES)
    assert "osprey" in load_rules(str(extra)).own
    _file(tmp_path, OSPREY_RULES.replace("osprey", "kite"))
    assert load_rules(str(extra)).own == {"kite"}
