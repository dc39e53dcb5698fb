"""The page of a model: bars, map of experts, scatter and list show what the store holds, and belong together."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gated_ray.reports.class_names import CLASS_ORDER, class_words
from gated_ray.vocabulary import IO_CLASSES, PLAIN_CLASSES
from tests.reports.atlas.opening import Opened
from tests.reports.atlas.showing import NONE, cosine, neurons_of
from tests.reports.atlas.sites import DENSE, MOE, NULL, PLAIN, STACKS, Site, address

Visit = Callable[..., Opened]

_CHART = "echarts.getInstanceByDom(document.querySelector('.{} .canvas')).getOption()"


def option(opened: Opened, chart: str) -> Any:
    """What the chart library draws, its typed arrays as lists."""
    return opened.page.evaluate(
        f"""(() => {{
          const option = {_CHART.format(chart)};
          for (const series of option.series) series.data = Array.from(series.data);
          return JSON.parse(JSON.stringify(option));
        }})()"""
    )


def points(opened: Opened) -> set[tuple[int, int]]:
    """The scatter's points in ten-thousandths."""
    numbers = np.array([number for series in option(opened, "points")["series"][1:] for number in series["data"]])
    return {(int(x), int(y)) for x, y in np.rint(1e4 * numbers.reshape(-1, 2))}


def listed(opened: Opened) -> list[list[str]]:
    return [[cell.strip() for cell in text.split("\t")] for text in opened.texts(".neurons tbody tr")]


def test_the_bars_are_the_layers_shares(visit: Visit, site: Site) -> None:
    bars = option(visit(address(DENSE)), "bars")["series"]
    layers = site.store.layers(DENSE, profile="paper").to_pylist()
    for series, io_class in zip(bars, CLASS_ORDER, strict=True):
        wanted = [row[io_class] / (row["neurons"] - row["neurons_without_cosine"]) for row in layers]
        assert series["data"] == pytest.approx(wanted)


def test_scatter_and_list_show_the_neurons_of_the_layer(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    neurons = neurons_of(site.store, DENSE, 3).to_pylist()
    known = [row for row in neurons if row["cos_in_out"] is not None]
    assert points(opened) == {(round(1e4 * row["cos_gate_out"]), round(1e4 * row["cos_in_out"])) for row in known}
    strongest = sorted(known, key=lambda row: (-round(row["cos_in_out"], 4), row["neuron"]))[:15]
    assert listed(opened) == [
        [
            str(row["neuron"]),
            *(cosine(row[name]) for name in ("cos_in_out", "cos_gate_out", "cos_gate_in")),
            class_words(row["io_class"]),
        ]
        for row in strongest
    ]
    assert f"of {len(neurons)} neurons" in opened.page.inner_text(".pages")


def test_points_are_coloured_by_the_third_cosine(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    scale = opened.page.evaluate("atlas.scale()")
    colour_of = {}
    for series in option(opened, "points")["series"][1:]:
        for x, y in np.rint(1e4 * np.array(series["data"]).reshape(-1, 2)):
            colour_of[int(x), int(y)] = series["itemStyle"]["color"]
    for row in neurons_of(site.store, DENSE, 3).to_pylist():
        if row["cos_gate_in"] is not None:
            place = (round(1e4 * row["cos_gate_out"]), round(1e4 * row["cos_in_out"]))
            assert colour_of[place] == scale[int(round(1e4 * row["cos_gate_in"]) * len(scale) // 1e4)]


def test_bands_are_the_blocks_regions_and_can_be_put_away(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    row = site.store.layers(DENSE, profile="paper").to_pylist()[3]
    below = option(opened, "points")["series"][0]
    ends = [[corner.get("xAxis", corner.get("yAxis")) for corner in area] for area in below["markArea"]["data"]]
    assert ends == [[row[f"mismatched_{pair}_{end}"] for end in ("low", "high")] for pair in ("gate_out", "in_out")]
    dotted = [line for line in below["markLine"]["data"] if line["lineStyle"]["type"] == [1, 3]]
    assert [line.get("xAxis", line.get("yAxis")) for line in dotted] == 2 * [row["theory_low"], row["theory_high"]]
    for band in ("mismatched band", "theory band"):
        opened.page.get_by_label(band).uncheck()
    below = option(opened, "points")["series"][0]
    assert below["markArea"]["data"] == []
    assert [line["lineStyle"]["type"] for line in below["markLine"]["data"]] == 4 * [[5, 4]]


def test_a_hidden_class_leaves_scatter_and_list_and_fades_in_the_bars(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    neurons = neurons_of(site.store, DENSE, 3).to_pylist()
    button = opened.page.locator(".filter button", has_text="orthogonal output")
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Space")
    assert button.get_attribute("aria-pressed") == "false"
    left = [row for row in neurons if row["io_class"] not in ("orthogonal_output", None)]
    assert points(opened) == {(round(1e4 * row["cos_gate_out"]), round(1e4 * row["cos_in_out"])) for row in left}
    hidden = CLASS_ORDER.index("orthogonal_output")
    faint = [series["itemStyle"]["opacity"] < 0.5 for series in option(opened, "bars")["series"]]
    assert faint == [index == hidden for index in range(len(CLASS_ORDER))]
    opened.page.locator(".filter button", has_text="none").click()
    assert points(opened) == set()
    assert opened.page.locator(".points .empty").is_visible()
    opened.page.locator(".filter button", has_text="all").click()
    assert len(points(opened)) == len({(row["cos_gate_out"], row["cos_in_out"]) for row in neurons} - {(None, None)})


def test_layers_are_stepped_by_keys_slider_and_bars_and_the_address_follows(visit: Visit) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    page = opened.page
    page.keyboard.press("ArrowRight")
    opened.wait_for("4 mlp -")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    opened.wait_for("2 mlp -")
    page.locator("input.layer").focus()
    page.keyboard.press("End")
    opened.wait_for("7 mlp -")
    assert page.locator("input.layer").get_attribute("aria-valuetext") == "layer 7"
    bars = page.locator(".bars .canvas")
    box = bars.bounding_box()
    assert box is not None
    bars.click(position={"x": 52 + (box["width"] - 60) * 1.5 / 8, "y": 100})
    opened.wait_for("1 mlp -")
    page.wait_for_function("(wanted) => location.hash === wanted", arg=address(DENSE, 1, "mlp"))


def test_a_step_that_is_noted_late_does_not_lead_back(visit: Visit) -> None:
    opened = visit(address(DENSE, 1, "mlp"))
    opened.page.evaluate(
        """async () => {
          const changed = new Promise((resolve) => addEventListener('hashchange', resolve, { once: true }));
          const step = () => document.querySelector('[aria-label="Layer after"]').click();
          window.setTimeout = (act) => act();
          step();
          window.setTimeout = () => {};
          step();
          await changed;
        }"""
    )
    opened.wait_for("3 mlp -")
    assert opened.page.locator("input.layer").get_attribute("aria-valuetext") == "layer 3"


def test_the_map_of_experts_shows_shares_and_leads_to_experts_by_keys(visit: Visit, site: Site) -> None:
    opened = visit(address(MOE, 1, "expert", 0))
    page = opened.page
    page.wait_for_selector(".map .canvas canvas")
    chosen = page.get_by_label("Share of the class")
    chosen.select_option(str(IO_CLASSES.index("conditional_enrichment")))
    rows = [row for row in site.store.layers(MOE).to_pylist() if row["component"] == "expert"]
    drawn = {(layer, expert): share for layer, expert, share in option(opened, "map")["series"][0]["data"]}
    assert drawn == {
        (row["layer"] - 1, row["expert"]): pytest.approx(
            row["conditional_enrichment"] / (row["neurons"] - row["neurons_without_cosine"])
        )
        for row in rows
    }
    page.locator(".map").focus()
    for key in ("ArrowRight", "ArrowUp", "ArrowUp", "ArrowUp"):
        page.keyboard.press(key)
    (wanted,) = [row for row in rows if (row["layer"], row["expert"]) == (2, 3)]
    assert page.inner_text(".told").startswith("layer 2, expert 3: conditional enrichment:")
    assert f"({wanted['conditional_enrichment']} of " in page.inner_text(".told")
    page.keyboard.press("Enter")
    opened.wait_for("2 expert 3")
    known = [row for row in neurons_of(site.store, MOE, 2, "expert", 3).to_pylist() if row["cos_in_out"] is not None]
    assert points(opened) == {(round(1e4 * row["cos_gate_out"]), round(1e4 * row["cos_in_out"])) for row in known}
    page.get_by_label("Expert after").press("Enter")
    opened.wait_for("2 expert 4")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Expert after"


def test_components_are_chosen_apart(visit: Visit) -> None:
    opened = visit(address(MOE, 2, "expert", 1))
    opened.page.get_by_label("Component").select_option("shared_expert")
    opened.wait_for("2 shared_expert -")
    assert opened.page.locator(".map").count() == 0
    stacks = visit(address(STACKS, 2, "decoder_mlp"))
    assert [text for text in stacks.texts("select option") if "MLP" in text] == ["encoder MLP", "decoder MLP"]
    stacks.page.get_by_label("Component").select_option("encoder_mlp")
    stacks.wait_for("2 encoder_mlp -")


def test_a_plain_model_has_histograms_and_three_classes(visit: Visit, site: Site) -> None:
    opened = visit(address(PLAIN, 1, "mlp"))
    values = [value for value in neurons_of(site.store, PLAIN, 1)["cos_in_out"].to_pylist() if value is not None]
    drawn = option(opened, "points")["series"][0]["data"]
    counts, edges = np.histogram(np.round(values, 4), bins=np.round(np.linspace(-1, 1, 41), 2))
    assert [bar["value"][1] for bar in drawn] == pytest.approx(counts.tolist(), abs=1)
    assert sum(bar["value"][1] for bar in drawn) == len(values)
    assert [bar["value"][0] for bar in drawn] == pytest.approx(((edges[1:] + edges[:-1]) / 2).tolist())
    words = [text.split("\n")[0] for text in opened.texts(".filter button")]
    assert [word for word in words if word not in ("all", "none")] == [class_words(name) for name in PLAIN_CLASSES]
    assert "A plain model" in opened.page.inner_text(".notes")
    assert opened.texts(".neurons thead th") == ["neuron", "cos(in,\u00a0out)\u00a0↓", "class"]


def test_what_the_store_lacks_is_said(visit: Visit) -> None:
    null = visit(address(NULL, 1, "mlp"))
    assert "No neuron has a class in layer 1: " in null.page.inner_text(".notes")
    assert "no activation statistics of this model" in null.page.inner_text(".notes")
    assert null.page.locator(".points .empty").is_visible()
    assert listed(null)[0] == ["0", NONE, NONE, NONE, "no class"]
    assert "40 neurons without a class" in null.page.inner_text(".notes")
    dense = visit(address(DENSE))
    assert "16 neurons without a class" in dense.page.inner_text(".notes")


def test_the_scatter_is_walked_with_keys_and_opens_neurons(visit: Visit) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    page = opened.page
    page.locator(".points").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        page.keyboard.press(key)
    assert page.inner_text("#announcements").startswith("neuron 1, ")
    assert page.locator(".points .ring").is_visible()
    page.keyboard.press("End")
    last = int(page.inner_text("#announcements").split(",")[0].split()[1])
    page.keyboard.press("Enter")
    opened.wait_for(f"3 mlp - {last}")


def test_the_nearest_neuron_is_told_and_opened_by_the_pointer(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    page = opened.page
    row = max(neurons_of(site.store, DENSE, 3).to_pylist(), key=lambda row: row["cos_in_out"] or -1)
    canvas = page.locator(".points .canvas")
    canvas.scroll_into_view_if_needed()
    x, y = page.evaluate(
        """(at) => echarts.getInstanceByDom(document.querySelector('.points .canvas'))
          .convertToPixel({ xAxisIndex: 0, yAxisIndex: 0 }, at)""",
        [row["cos_gate_out"], row["cos_in_out"]],
    )
    canvas.hover(position={"x": x + 1, "y": y - 1})
    lines = page.inner_text(".tip").split("\n")
    assert lines[:2] == [f"neuron {row['neuron']}", class_words(row["io_class"])]
    assert f"cos(w_in, w_out) {cosine(row['cos_in_out'])}" in lines
    canvas.click(position={"x": x + 1, "y": y - 1})
    opened.wait_for(f"3 mlp - {row['neuron']}")


def test_the_list_is_sorted_turned_and_leads_to_neurons(visit: Visit, site: Site) -> None:
    opened = visit(address(DENSE, 3, "mlp"))
    page = opened.page
    page.locator(".neurons [data-column=gate_in]").press("Enter")
    values = [
        row["cos_gate_in"] for row in neurons_of(site.store, DENSE, 3).to_pylist() if row["cos_gate_in"] is not None
    ]
    ordered = sorted((round(value, 4) for value in values), reverse=True)
    assert [float(row[3]) for row in listed(opened)] == ordered[:15]
    page.locator(".pages .after").press("Enter")
    assert [float(row[3]) for row in listed(opened)] == ordered[15:30]
    assert page.evaluate("document.activeElement.className") == "after"
    first = listed(opened)[0][0]
    page.locator(".neurons tbody a").first.press("Enter")
    opened.wait_for(f"3 mlp - {first}")
