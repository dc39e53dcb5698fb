"""The page of a neuron: its numbers to the last digit shown, its place among its layer, how it acts, and the ways there and on."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc
import pytest

from gated_ray.reports.atlas.example_files import AFTER, BEFORE
from gated_ray.reports.class_names import class_words
from gated_ray.vocabulary import QUADRANTS, QUANTITIES
from tests.reports.atlas.opening import Opened
from tests.reports.atlas.showing import NONE, cosine, neurons_of, number, percent, percentile, three_digits
from tests.reports.atlas.sites import DENSE, HOSTILE_TEXT, MOE, NULL, PLAIN, TEXTS, Site, address

Visit = Callable[..., Opened]

GATED = ("cos_gate_in", "cos_gate_out", "cos_in_out", "norm_gate", "norm_in", "norm_out")


def rows_of(opened: Opened, selector: str) -> list[list[str]]:
    return [[cell.strip() for cell in text.split("\t")] for text in opened.texts(f"{selector} tbody tr")]


@pytest.mark.parametrize(
    ("model", "layer", "component", "expert", "neuron"),
    [(DENSE, 1, "mlp", None, 17), (MOE, 2, "expert", 3, 40), (PLAIN, 1, "mlp", None, 5)],
)
def test_numbers_and_places_are_the_stores(
    model: str, layer: int, component: str, expert: int | None, neuron: int, visit: Visit, site: Site
) -> None:
    opened = visit(address(model, layer, component, "-" if expert is None else expert, neuron))
    neurons = neurons_of(site.store, model, layer, component, expert)
    columns = [name for name in GATED if model != PLAIN or name in ("cos_in_out", "norm_in", "norm_out")]
    shown = rows_of(opened, ".numbers")
    for row, name in zip(shown, columns, strict=True):
        values = neurons[name].to_pylist()
        assert row[1] == (cosine(values[neuron]) if name.startswith("cos") else three_digits(values[neuron]))
        # Those that agree in all digits shown are equal.
        text = cosine if name.startswith("cos") else three_digits
        known = {place: number(text(value)) for place, value in enumerate(values) if value is not None}
        place = percentile(list(known.values()), list(known).index(neuron))
        assert float(row[2]) == pytest.approx(100 * place, abs=0.05001)
    wanted = class_words(neurons["io_class"][neuron].as_py())
    assert opened.page.inner_text("p.class strong") == wanted
    same = neurons["io_class"].to_pylist().count(neurons["io_class"][neuron].as_py())
    assert f"like {percent(same, neurons.num_rows)} % of the {neurons.num_rows}" in opened.page.inner_text("p.class")
    assert ("flipped" in opened.page.inner_text("p.class")) == (neurons["sign"][neuron].as_py() == -1)


def test_each_band_says_whether_the_cosine_is_chance(visit: Visit, site: Site) -> None:
    row = site.store.layers(DENSE, profile="paper").to_pylist()[1]
    neurons = neurons_of(site.store, DENSE, 1).to_pylist()
    strong = max(neurons, key=lambda each: each["cos_in_out"] or -1)
    weak = min(neurons, key=lambda each: abs(each["cos_in_out"] or 9))
    for neuron, word in ((strong, "outside"), (weak, "within")):
        shown = rows_of(visit(address(DENSE, 1, "mlp", "-", neuron["neuron"])), ".numbers")
        for cell, region in ((3, "theory"), (4, "mismatched_in_out")):
            low, high = (cosine(row[f"{region}_{end}"], 3) for end in ("low", "high"))
            assert shown[2][cell].split("\n") == [word, f"{low} to {high}"]
    high = row["mismatched_gate_in_high"]
    reads = max(neurons, key=lambda each: each["cos_gate_in"] or -1)
    shown = rows_of(visit(address(DENSE, 1, "mlp", "-", reads["neuron"])), ".numbers")
    assert shown[0][4].split("\n") == ["outside", f"0 to {cosine(high, 3)}"]


def test_a_neuron_without_a_class_says_why(visit: Visit) -> None:
    opened = visit(address(NULL, 1, "mlp", "-", 3))
    assert "zero or not finite" in opened.page.inner_text("p.class")
    assert [row[1] for row in rows_of(opened, ".numbers")[:3]] == [NONE] * 3


def of_neuron(
    table: Any, model: str, layer: int, component: str, expert: int | None, neuron: int
) -> list[dict[str, Any]]:
    wanted = {"model_name": model, "layer": layer, "component": component, "expert": expert, "neuron": neuron}
    for name, value in wanted.items():
        table = table.filter(pc.is_null(table[name]) if value is None else pc.equal(table[name], value))
    return table.to_pylist()


@pytest.mark.parametrize(
    ("model", "component", "expert", "neuron"),
    [(DENSE, "mlp", None, 300), (MOE, "expert", 2, 40), (DENSE, "mlp", None, 20)],
)
def test_statistics_top_tokens_and_documents_are_the_stores(
    model: str, component: str, expert: int | None, neuron: int, visit: Visit, site: Site
) -> None:
    opened = visit(address(model, 1, component, "-" if expert is None else expert, neuron))
    opened.page.wait_for_selector(".quadrants")
    (statistics,) = of_neuron(site.tables["activations"], model, 1, component, expert, neuron)
    for row, quadrant in zip(rows_of(opened, ".page > div > section"), QUADRANTS, strict=True):
        assert row[1] == three_digits(statistics[f"{quadrant}_freq"], 2)
        assert row[2:] == [three_digits(statistics[f"{quadrant}_mean_{quantity}"]) for quantity in QUANTITIES]
    examples = of_neuron(site.tables["examples"], model, 1, component, expert, neuron)
    tokens = {row["document"]: pieces_of(row) for row in site.tables["tokens"].to_pylist()}
    sections = opened.page.locator(".quadrant").all()
    for section, quadrant in zip(sections, QUADRANTS, strict=True):
        mine = [row for row in examples if (row["quadrant"], row["quantity"]) == (quadrant, "post")]
        mine.sort(key=lambda row: row["rank"])
        if not mine:
            assert (quadrant, neuron % 10) == (QUADRANTS[-1], 0)
            assert section.locator("p").inner_text() == "No token in this quadrant."
            continue
        peaks = Counter(tokens[row["document"]][row["position"]] for row in mine)
        top = section.locator(".tokens li").all_inner_texts()
        assert [int(text.split()[-1]) for text in top] == [count for _, count in peaks.most_common(5)]
        for item, row in zip(section.locator(".documents li").all(), mine[:3], strict=True):
            pieces, position = tokens[row["document"]], row["position"]
            window = pieces[max(0, position - BEFORE) : position + AFTER + 1]
            if row["document"] != TEXTS.index(HOSTILE_TEXT):  # which is shown otherwise than it is
                assert item.locator(".token").all_text_contents() == window
                assert item.locator(".peak").all_text_contents() == [pieces[position]]
            said = item.locator(".source").inner_text()
            assert (
                said
                == f"post {three_digits(row['value'])} document {row['document']}, token {position} of {len(pieces)}"
            )


def pieces_of(row: dict[str, Any]) -> list[str]:
    """What the page shows of each token of a document that is not hostile."""
    if row["text"] is None:
        return [f"#{token}" for token in row["ids"]]
    ends = [*row["starts"][1:], len(row["text"])]
    pieces = [row["text"][start:end] for start, end in zip(row["starts"], ends, strict=True)]
    return [piece or f"#{token}" for piece, token in zip(pieces, row["ids"], strict=True)]


def test_missing_activations_are_said(visit: Visit) -> None:
    opened = visit(address(PLAIN, 1, "mlp", "-", 5))
    assert "no activation statistics of this model" in opened.page.inner_text("main")
    opened = visit(address(DENSE, 5, "mlp", "-", 5))
    assert "no activation statistics of this layer" in opened.page.inner_text("main")


def test_keys_lead_from_neuron_to_neuron_layer_to_layer_and_up(visit: Visit) -> None:
    opened = visit(address(DENSE, 3, "mlp", "-", 7))
    page = opened.page
    page.keyboard.press("ArrowRight")
    opened.wait_for("3 mlp - 8")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    opened.wait_for("3 mlp - 6")
    page.keyboard.press("Shift+ArrowRight")
    opened.wait_for("4 mlp - 6")
    page.wait_for_function("(wanted) => location.hash === wanted", arg=address(DENSE, 4, "mlp", "-", 6))
    page.keyboard.press("/")
    page.keyboard.press("Control+A")
    page.keyboard.type("23")
    page.keyboard.press("Enter")
    opened.wait_for("4 mlp - 23")
    page.locator("h1").focus()
    page.keyboard.press("u")
    opened.wait_for("4 mlp -")
    page.keyboard.press("u")
    page.wait_for_selector(".page.overview .models")


def test_a_click_among_the_neighbours_opens_one_of_the_layer_at_hand(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp", "-", 7))
    opened.page.keyboard.press("Shift+ArrowRight")
    opened.wait_for("4 mlp - 7")
    row = max(neurons_of(site.store, DENSE, 4).to_pylist(), key=lambda row: row["cos_in_out"] or -1)
    x, y = opened.page.evaluate(
        """(at) => echarts.getInstanceByDom(document.querySelector('.chart .canvas'))
          .convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, at)""",
        [row["cos_gate_out"], row["cos_in_out"]],
    )
    opened.page.locator(".chart .canvas").click(position={"x": x, "y": y})
    opened.wait_for(f"4 mlp - {row['neuron']}")


def test_back_leads_the_way_that_was_come(visit: Visit) -> None:
    opened = visit("")
    page = opened.page
    page.locator(".models a", has_text=MOE).click()
    opened.wait_for("0 mlp -")
    page.keyboard.press("ArrowRight")  # the only layer of this component
    page.get_by_label("Component").select_option("expert")
    opened.wait_for("1 expert 0")
    page.wait_for_function("(wanted) => location.hash === wanted", arg=address(MOE, 1, "expert", 0))
    page.locator(".neurons tbody a").first.click()
    page.wait_for_selector(".page.neuron[data-shown]")
    page.go_back()
    opened.wait_for("1 expert 0")
    page.go_back()
    page.wait_for_selector(".page.overview .models")
    page.go_forward()
    opened.wait_for("1 expert 0")


@pytest.mark.parametrize(
    "wrong",
    [
        "#/no--such/model/paper",
        address(DENSE, 99, "mlp"),
        address(DENSE, 1, "expert", 0),
        address(DENSE, 1, "mlp", "-", 99_999),
        address(MOE, 1, "expert", 77),
        "#/%E0%A4%A",
    ],
)
def test_an_address_of_nothing_says_so(wrong: str, visit: Visit) -> None:
    opened = visit(wrong, settled=False)
    opened.page.wait_for_selector("h1:has-text('Not in this atlas')")
    opened.page.get_by_role("link", name="All models").click()
    opened.page.wait_for_selector(".page.overview .models")
