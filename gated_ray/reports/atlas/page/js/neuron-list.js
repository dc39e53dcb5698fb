"use strict";

/** The neurons of a block as a table that can be sorted, some at a time: the same as the chart, for keys and for the exact numbers. */
{
  const ROWS = 15;

  const gated = [
    ["in_out", "cos(in,\u00a0out)"],
    ["gate_out", "cos(gate,\u00a0out)"],
    ["gate_in", "cos(gate,\u00a0in)"],
  ];

  /** Neurons by a column; those without a cosine last. */
  function sorted(block, shown, column, isDescending) {
    if (column === "neuron") return isDescending ? [...shown].reverse() : shown;
    const values = block.cosines[column];
    const sign = isDescending ? -1 : 1;
    const order = (neuron) => (atlas.hasCosine(values[neuron]) ? sign * values[neuron] : Infinity);
    return [...shown].sort((one, other) => order(one) - order(other) || one - other);
  }

  /**
   * @param {function(number): string} linkTo the link of a neuron.
   */
  atlas.neuronList = (linkTo) => {
    const state = { column: "in_out", isDescending: true, page: 0 };
    const element = atlas.element("div", { class: "neurons" });
    let [block, order, columns] = [null, [], gated];

    function sort(column) {
      state.isDescending = column === state.column ? !state.isDescending : column !== "neuron";
      state.column = column;
      state.page = 0;
      arrange();
      element.querySelector(`[data-column="${column}"]`).focus();
    }

    function head(column, words) {
      const isSorted = state.column === column;
      const arrow = isSorted ? (state.isDescending ? "\u00a0↓" : "\u00a0↑") : "";
      const direction = isSorted ? (state.isDescending ? "descending" : "ascending") : null;
      return atlas.element(
        "th",
        { scope: "col", class: "number", "aria-sort": direction },
        atlas.button(words + arrow, () => sort(column), { "data-column": column }),
      );
    }

    function row(neuron) {
      const ioClass = block.classes[neuron];
      const words = atlas.hasClass(ioClass) ? [atlas.swatch(ioClass), ` ${atlas.classes.words(ioClass)}`] : "no class";
      return atlas.element(
        "tr",
        {},
        atlas.element(
          "th",
          { scope: "row", class: "number" },
          atlas.element("a", { href: linkTo(neuron) }, String(neuron)),
        ),
        columns.map(([column]) =>
          atlas.element("td", { class: "number" }, atlas.cosine(block.cosines[column][neuron])),
        ),
        atlas.element("td", { class: "class" }, words),
      );
    }

    function turn(by) {
      state.page += by;
      draw();
      const forward = element.querySelector(by > 0 ? ".after" : ".before");
      (forward.disabled ? element.querySelector(by > 0 ? ".before" : ".after") : forward).focus();
    }

    function draw() {
      const first = state.page * ROWS;
      const mine = order.slice(first, first + ROWS);
      const table = atlas.element(
        "table",
        {},
        atlas.element("caption", { class: "unseen" }, "Neurons shown"),
        atlas.element(
          "thead",
          {},
          atlas.element(
            "tr",
            {},
            head("neuron", "neuron"),
            columns.map(([column, words]) => head(column, words)),
            atlas.element("th", { scope: "col" }, "class"),
          ),
        ),
        atlas.element("tbody", {}, mine.map(row)),
      );
      const place = order.length
        ? `${atlas.count(first + 1)} to ${atlas.count(first + mine.length)} of ${atlas.counted(order.length, "neuron")}`
        : "No neurons shown";
      const pages = atlas.element(
        "div",
        { class: "pages" },
        atlas.button("‹ before", () => turn(-1), { class: "before", disabled: state.page === 0 }),
        atlas.element("span", {}, place),
        atlas.button("after ›", () => turn(1), { class: "after", disabled: first + ROWS >= order.length }),
      );
      element.replaceChildren(atlas.scroller("Neurons of the layer", table), pages);
    }

    let neurons = [];
    function arrange() {
      order = sorted(block, neurons, state.column, state.isDescending);
      draw();
    }

    return {
      element,
      draw,
      /** Other neurons of a block (those of no hidden class, without a class too). */
      show(nextBlock, hidden) {
        block = nextBlock;
        columns = block.isGated ? gated : gated.slice(0, 1);
        neurons = Array.from(block.classes.keys()).filter((neuron) => !hidden.has(block.classes[neuron]));
        state.page = 0;
        arrange();
      },
    };
  };
}
