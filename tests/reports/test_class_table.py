import csv
import io
import re

import pyarrow as pa
import pytest

from gated_ray.errors import InputError
from gated_ray.reports.class_names import CLASS_ORDER
from gated_ray.reports.class_table import class_table, to_csv, to_latex, to_markdown
from gated_ray.reports.published_tables import class_counts
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.synthetic import REVISION, block, blocks, tables

QWEN = class_counts("Qwen/Qwen2.5-0.5B")
GPT2 = class_counts("gpt2-small")


def counts(**given: int) -> dict[str, int]:
    return dict.fromkeys(IO_CLASSES, 0) | given


def csv_rows(layers: pa.Table, **options: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(class_table(layers, **options)))))


def cells(text: str, separator: str) -> list[list[str]]:
    """The rows of a Markdown or LaTeX table, as bare texts."""
    lines = [line.strip().removesuffix(r"\\") for line in text.splitlines() if f" {separator} " in line]
    return [[cell.strip(" *") for cell in line.strip("|").split(separator)] for line in lines]


def test_csv_equals_the_counts_in_every_cell() -> None:
    rows = csv_rows(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1])
    assert {int(row["layer"]): {name: int(row[name]) for name in IO_CLASSES} for row in rows} == QWEN
    assert {(row["component"], row["neurons"], row["neurons_without_cosine"]) for row in rows} == {("mlp", "4864", "0")}


def test_a_plain_model_has_three_classes() -> None:
    layers = tables("gpt2-small", blocks(GPT2))[1]
    rows = csv_rows(layers)
    assert list(rows[0]) == ["layer", "component", *PLAIN_CLASSES, "neurons", "neurons_without_cosine"]
    assert {int(row["layer"]): {name: int(row[name]) for name in PLAIN_CLASSES} for row in rows} == GPT2
    assert cells(to_markdown(class_table(layers)), "|")[0] == ["layer", "E", "O", "D", "neurons", "no cos."]


@pytest.mark.parametrize(("write", "separator"), [(to_markdown, "|"), (to_latex, "&")])
def test_markdown_and_latex_hold_the_counts_the_total_and_the_shares(write, separator: str) -> None:
    head, *rows = cells(write(class_table(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1])), separator)
    rows = [row for row in rows if not row[0].startswith("--")]
    expected = ["layer", "E", "aE", "cE", "acE", "P", "aP", "O", "D", "aD", "cD", "acD", "neurons", "no cos."]
    assert head == expected
    numbers = {row[0]: [int(cell.replace(",", "")) for cell in row[1:]] for row in rows[:-1]}
    for layer, classes in QWEN.items():
        assert numbers[str(layer)] == [*(classes[name] for name in CLASS_ORDER), 4864, 0]
    totals = [sum(classes[name] for classes in QWEN.values()) for name in CLASS_ORDER]
    assert numbers["total"] == [*totals, 24 * 4864, 0]
    shares = [f"{100 * total / (24 * 4864):.1f}" for total in totals]
    assert rows[-1][0].replace("\\", "") == "share (%)"
    assert rows[-1][1:] == [*shares, "", ""]


def test_markdown_separates_thousands() -> None:
    text = to_markdown(class_table(tables("org/model", blocks({0: counts(orthogonal_output=12345)}))[1]))
    assert "| 12,345 |" in text


def test_experts_of_a_layer_are_added_up_and_components_kept_apart() -> None:
    made = [
        block(1, counts(enrichment=5), "shared_expert"),
        block(1, counts(enrichment=3, depletion=1), "expert", 1),
        block(1, counts(enrichment=2), "expert", 0, without_cosine=4),
        block(0, counts(depletion=7)),
    ]
    layers = tables("org/moe", made)[1]
    rows = csv_rows(layers)
    assert [(row["layer"], row["component"]) for row in rows] == [("0", "mlp"), ("1", "expert"), ("1", "shared_expert")]
    assert (rows[1]["enrichment"], rows[1]["depletion"], rows[1]["neurons"], rows[1]["neurons_without_cosine"]) == (
        *("5", "1"),
        *("10", "4"),
    )
    markdown = cells(to_markdown(class_table(layers)), "|")
    assert markdown[0][:2] == ["layer", "component"]
    assert markdown[3][:2] == ["1", "experts"]
    assert all(len(row) == len(markdown[0]) for row in markdown)


def test_an_encoder_comes_before_its_decoder() -> None:
    made = [block(layer, GPT2[layer], stack) for stack in ("decoder_mlp", "encoder_mlp") for layer in (1, 0)]
    rows = csv_rows(tables("t5", made)[1])
    assert [(row["component"], row["layer"]) for row in rows] == [
        ("encoder_mlp", "0"),
        ("encoder_mlp", "1"),
        ("decoder_mlp", "0"),
        ("decoder_mlp", "1"),
    ]


def test_shares_leave_out_neurons_without_a_class() -> None:
    made = [block(0, counts(enrichment=1, depletion=3), without_cosine=96)]
    table = class_table(tables("org/model", made)[1])
    assert dict(zip(table.classes, table.shares(), strict=True)) == counts(enrichment=0) | {
        "enrichment": 0.25,
        "depletion": 0.75,
    }


def test_a_model_without_any_class_has_no_shares() -> None:
    table = class_table(tables("org/model", [block(0, counts(), without_cosine=3)])[1])
    assert set(table.shares()) == {None}
    assert cells(to_markdown(table), "|")[-1][1:] == [""] * 13


def test_latex_is_a_booktabs_table_and_escapes_names() -> None:
    text = to_latex(class_table(tables("100%_tiny&sharp#1", blocks({0: counts(enrichment=1)}))[1]))
    assert r"100\%\_tiny\&sharp\#1" in text
    order = [text.index(rf"\{rule}") for rule in ("begin{table}", "begin{tabular}", "toprule", "midrule", "bottomrule")]
    assert order == sorted(order)
    assert text.count("{") == text.count("}")
    columns = re.search(r"\\begin\{tabular\}\{@\{\}(\w+)@\{\}\}", text)
    assert columns is not None
    assert {len(row) for row in cells(text, "&")} == {len(columns[1])}


def test_every_form_names_the_model_the_revision_and_what_the_heads_mean() -> None:
    table = class_table(tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1])
    for text in (to_markdown(table), to_latex(table)):
        assert "Qwen/Qwen2.5-0.5B" in text
        assert REVISION in text
        assert "P: proportional change" in text
        assert "prefix c: conditional" in text


def test_the_rw_vocabulary_renames_classes_and_leaves_the_numbers() -> None:
    layers = tables("Qwen/Qwen2.5-0.5B", blocks(QWEN))[1]
    rows = csv_rows(layers, vocabulary="rw")
    assert [int(row["conditional_strengthening"]) for row in rows] == [
        QWEN[n]["conditional_enrichment"] for n in range(24)
    ]
    assert [int(row["atypical_weakening"]) for row in rows] == [QWEN[n]["atypical_depletion"] for n in range(24)]
    head = cells(to_markdown(class_table(layers, vocabulary="rw")), "|")[0]
    assert head[1:12] == ["S", "aS", "cS", "acS", "P", "aP", "O", "W", "aW", "cW", "acW"]


def test_an_unknown_vocabulary_is_refused() -> None:
    with pytest.raises(InputError, match="io, rw"):
        class_table(tables("org/model", blocks({0: counts(enrichment=1)}))[1], vocabulary="boosting")


def test_two_models_in_one_table_are_refused() -> None:
    both = pa.concat_tables([tables(name, blocks({0: counts(enrichment=1)}))[1] for name in ("org/a", "org/b")])
    with pytest.raises(InputError, match="org/a"):
        class_table(both)
    with pytest.raises(InputError, match="no rows"):
        class_table(both.slice(0, 0))
