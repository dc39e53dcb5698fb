"""The page of all models: its table says what the store says, and can be sorted, filtered and renamed."""

from collections.abc import Callable

import numpy as np
import pytest

from gated_ray.reports.class_names import CLASS_ORDER, class_letters
from gated_ray.vocabulary import COSINES
from tests.reports.atlas.opening import Opened
from tests.reports.atlas.showing import NONE, cosine, number, percent
from tests.reports.atlas.sites import BLOCKS, DENSE, MOE, NULL, PLAIN, STACKS, Site

Visit = Callable[..., Opened]

NAMES = ".models tbody th a"
MODELS = len(BLOCKS)


def row_of(opened: Opened, name: str, profile: str = "paper") -> list[str]:
    rows = [[cell.strip() for cell in text.split("\t")] for text in opened.texts(".models tbody tr")]
    (row,) = [row for row in rows if row[0] == name and row[2] == profile]
    return row


@pytest.mark.parametrize("name", [DENSE, MOE, PLAIN, STACKS, NULL])
def test_a_row_says_what_the_store_holds(name: str, visit: Visit, site: Site) -> None:
    row = row_of(visit(), name)
    layers = site.store.layers(name, profile="paper")
    neurons = site.store.neurons(name, profile="paper").to_table()
    stacks = 2 if name == STACKS else 1
    counts = [sum(n or 0 for n in layers[io_class].to_pylist()) for io_class in CLASS_ORDER]
    has = [io_class for io_class in CLASS_ORDER if name != PLAIN or layers[io_class].null_count == 0]
    assert row[1] == "0123456"
    assert row[3] == str(stacks * len(set(layers["layer"].to_pylist())))
    assert row[4] == f"{neurons.num_rows:,}"
    assert row[5:16] == [
        percent(n, sum(counts)) if io_class in has else NONE for io_class, n in zip(CLASS_ORDER, counts, strict=True)
    ]
    medians = [neurons[column].drop_null().to_numpy().astype(float) for column in reversed(COSINES)]
    wanted = [np.median(values) if len(values) else np.nan for values in medians]
    # Of an even number of neurons the mean of two, each rounded to four decimals.
    assert [number(text) for text in row[16:]] == pytest.approx(wanted, abs=1.01e-4, nan_ok=True)


def test_the_table_is_sorted_by_any_column_with_the_keyboard(visit: Visit) -> None:
    opened = visit()
    page = opened.page
    ascending = opened.texts(NAMES)
    assert ascending == sorted(ascending, key=str.lower)
    for column in ("neurons", "class-2", "median-2"):
        cells = f".models td:nth-child({page.locator(f'th:has([data-column={column}])').evaluate('(th) => th.cellIndex') + 1})"
        page.locator(f"[data-column={column}]").focus()
        for direction, sign in (("descending", -1), ("ascending", 1)):
            page.keyboard.press("Enter")
            assert page.locator(f"th:has([data-column={column}])").get_attribute("aria-sort") == direction
            assert page.evaluate("document.activeElement.dataset.column") == column
            numbers = np.nan_to_num([number(text) for text in opened.texts(cells)], nan=-np.inf).tolist()
            assert numbers == sorted(numbers, key=lambda each, sign=sign: sign * each)


def test_filter_and_profile_choose_rows_and_lines(visit: Visit) -> None:
    opened = visit()
    page = opened.page
    assert len(opened.texts(NAMES)) == MODELS + 1
    assert len(opened.texts(".lines li")) == MODELS + 2  # two profiles of one, two stacks of another
    page.keyboard.press("/")
    page.keyboard.type("DENS")
    assert opened.texts(NAMES) == [DENSE, DENSE]
    assert sorted(opened.texts(".lines li")) == [f"{DENSE} @ 0123456 paper", f"{DENSE} @ main"]
    page.get_by_label("Profile").select_option("residual")
    assert opened.texts(NAMES) == [DENSE]
    assert opened.texts(".lines li") == [DENSE]
    page.get_by_label("Find").fill("nothing like it")
    assert opened.texts(".models tbody tr") == ["No model fits."]


def test_class_names_follow_the_chosen_vocabulary(visit: Visit) -> None:
    opened = visit()
    opened.page.get_by_label("Class names").select_option("rw")
    heads = [text.strip() for text in opened.texts(".models thead th")]
    assert heads[5:16] == [class_letters(io_class, "rw") for io_class in CLASS_ORDER]
    legend = opened.page.inner_text(".legend")
    assert "cS conditional strengthening" in legend
    assert "enrichment" not in legend
    opened.page.get_by_label("Class names").select_option("io")


def test_the_numbers_of_the_chart_are_the_layers_medians(visit: Visit, site: Site) -> None:
    opened = visit()
    opened.page.get_by_label("Find").fill(DENSE)
    opened.page.get_by_label("Profile").select_option("paper")
    opened.page.get_by_text("These numbers as a table").click()
    opened.page.wait_for_selector("details tbody tr")
    rows = [text.split("\t") for text in opened.texts("details tbody tr")]
    layers = site.store.layers(DENSE, profile="paper")
    assert rows == [
        [DENSE, str(layer), f"{layer / 7:.2f}", cosine(median)]
        for layer, median in zip(layers["layer"].to_pylist(), layers["cos_in_out_median"].to_pylist(), strict=True)
    ]
    points = opened.page.evaluate(
        "echarts.getInstanceByDom(document.querySelector('.medians .canvas')).getOption().series[0].data"
    )
    assert points == [[layer / 7, median] for layer, median in enumerate(layers["cos_in_out_median"].to_pylist())]
