"use strict";

/** The neurons of one block: which classes are shown, how the chart looks at them, and the same as a list. */
{
  const RANGES = [
    ["1", "−1 to 1"],
    ["0.5", "−0.5 to 0.5"],
    ["0.25", "−0.25 to 0.25"],
  ];

  const SCATTER = {
    role: "application",
    tabindex: "0",
    "aria-label": "Scatter of the neurons. Left and right arrows step from neuron to neuron, Enter opens one.",
  };
  const HISTOGRAM = {
    role: "img",
    "aria-label": "How many neurons have which cos(w_in, w_out). The list beside it has their numbers.",
  };

  /** What stays from layer to layer and model to model. */
  const view = { hidden: new Set(), range: 1, bands: { mismatched: true, theory: true } };

  /** Classes that are hidden in all charts of a model. */
  atlas.hiddenClasses = () => view.hidden;

  /**
   * @param {boolean} isGated whether the blocks have gates.
   * @param {object} calls {open(neuron), linkTo(neuron), refiltered()}.
   */
  atlas.layerPanel = (isGated, { open, linkTo, refiltered }) => {
    const filter = atlas.classFilter(atlas.classes.of(isGated), view.hidden, () => {
      refiltered();
      draw();
    });
    const list = atlas.neuronList(linkTo);
    const chartHost = atlas.element("div", { class: "chart points", ...(isGated ? SCATTER : HISTOGRAM) });
    const scale = atlas.element("div", {});
    let [block, chart] = [null, null];

    function drawScale() {
      scale.replaceChildren(isGated && block ? atlas.scatterScale(block, view.bands) : "");
    }

    function draw() {
      const { hidden, range, bands } = view;
      const shown = { block, shown: atlas.shownNeurons(block, hidden), hidden, range, bands, selected: null };
      if (chart) chart.show(shown);
      else chart = isGated ? atlas.scatter(chartHost, shown, open, atlas.announce) : atlas.histogram(chartHost, shown);
      list.show(block, hidden);
      drawScale();
    }

    const changeRange = (range) => {
      view.range = Number(range);
      chart.show({ range: view.range });
    };
    const changeBand = (name) => (value) => {
      view.bands = { ...view.bands, [name]: value };
      chart.show({ bands: view.bands });
      drawScale();
    };
    const looks = atlas.element(
      "div",
      { class: "controls" },
      atlas.select("Range", RANGES, String(view.range), changeRange),
      atlas.checkbox("mismatched band", view.bands.mismatched, changeBand("mismatched")),
      atlas.checkbox("theory band", view.bands.theory, changeBand("theory")),
      atlas.explain("bands", "randomness bands"),
    );
    const chartSide = atlas.element("div", {}, chartHost, scale, looks);
    return {
      element: atlas.element(
        "div",
        {},
        filter.element,
        atlas.element("div", { class: "pair" }, chartSide, list.element),
      ),
      /** Show another block. The panel must be in the page. */
      show(next) {
        block = next;
        filter.count(block);
        draw();
      },
      /** Other words or colours. */
      redraw() {
        filter.show();
        if (block) list.draw();
        drawScale();
      },
    };
  };
}
