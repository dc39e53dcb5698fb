"use strict";

/** The table of all models, which can be sorted by any column. */
{
  const MEDIANS = [
    [2, "cos(in,\u00a0out)"],
    [1, "cos(gate,\u00a0out)"],
    [0, "cos(gate,\u00a0in)"],
  ];

  const classed = (model) => model.neurons - model.without;
  const hasClass = (model, index) => atlas.classes.of(model.gated).includes(index) && classed(model) > 0;
  const classesOf = (models) => atlas.classes.of(models.some((model) => model.gated));

  function revision(model) {
    const asked = model.asked && model.asked !== model.revision ? [atlas.foreign(model.asked), " "] : [];
    return [...asked, atlas.element("code", { title: model.revision }, atlas.shortRevision(model.revision))];
  }

  /** The classes as a thin bar below the name. */
  function stripe(model) {
    const parts = atlas.classes.of(model.gated).filter((index) => model.counts[index]);
    const part = (index) => ({
      width: `${(100 * model.counts[index]) / classed(model)}%`,
      background: atlas.classes.colour(index),
    });
    const bars = parts.map((index) => atlas.element("span", { style: part(index) }));
    return atlas.element("span", { class: "stripe", "aria-hidden": "true" }, bars);
  }

  /** What is sorted by in each column, and what is shown. */
  function columnsOf(models) {
    const text = (id, value, show) => ({ id, head: id, value, show });
    const number = (id, value, show, more = {}) => ({ id, head: id, value, show, number: true, ...more });
    const count = (id) =>
      number(
        id,
        (model) => model[id],
        (model) => atlas.count(model[id]),
      );
    const share = (index) =>
      number(
        `class-${index}`,
        (model) => (hasClass(model, index) ? model.counts[index] / classed(model) : -1),
        (model) => (hasClass(model, index) ? atlas.percent(model.counts[index], classed(model)) : "–"),
        {
          head: atlas.classes.letters(index),
          title: `${atlas.classes.words(index)}, % of the neurons with a class`,
          swatch: index,
        },
      );
    const median = ([place, head]) =>
      number(
        `median-${place}`,
        (model) => model.medians[place] ?? -Infinity,
        (model) => atlas.cosine(model.medians[place]),
        { head: `median ${head}` },
      );
    return [
      { id: "name", head: "model", value: (model) => model.name.toLowerCase() },
      text("revision", (model) => model.asked ?? model.revision, revision),
      text(
        "profile",
        (model) => model.profile,
        (model) => atlas.foreign(model.profile),
      ),
      count("layers"),
      count("neurons"),
      ...classesOf(models).map(share),
      ...MEDIANS.map(median),
    ];
  }

  function sorted(models, { value }, isDescending) {
    const sign = isDescending ? -1 : 1;
    const order = (one, other) => (one < other ? -sign : one > other ? sign : 0);
    return [...models].sort((one, other) => order(value(one), value(other)));
  }

  function head(column, state, sort) {
    const isSorted = column.id === state.column;
    const direction = state.isDescending ? "descending" : "ascending";
    const arrow = isSorted ? `\u00a0${state.isDescending ? "↓" : "↑"}` : "";
    const label = { "data-column": column.id, title: column.title, "aria-label": column.title };
    const swatch = column.swatch === undefined ? null : atlas.swatch(column.swatch);
    return atlas.element(
      "th",
      { scope: "col", class: column.number ? "number" : null, "aria-sort": isSorted ? direction : null },
      atlas.button([swatch, column.head + arrow], () => sort(column), label),
    );
  }

  function row(model, columns) {
    const name = atlas.element("a", { href: atlas.link(model) }, atlas.foreign(model.name));
    const cell = (column) => atlas.element("td", { class: column.number ? "number" : null }, column.show(model));
    return atlas.element(
      "tr",
      {},
      atlas.element("th", { scope: "row" }, name, stripe(model)),
      columns.slice(1).map(cell),
    );
  }

  /** What the heads of the class columns mean. */
  function legend(models) {
    const words = (index) => ` ${atlas.classes.letters(index)} ${atlas.classes.words(index)}`;
    const entries = classesOf(models).map((index) => atlas.element("span", {}, atlas.swatch(index), words(index)));
    return atlas.element("p", { class: "legend" }, "% of the neurons with a class: ", entries);
  }

  /**
   * @param {Array} all models, whose classes are the columns.
   * @param {object} state {column, isDescending}, changed when a head is used.
   */
  atlas.modelsTable = (all, state) => {
    const element = atlas.element("div", {});
    let given = [];

    function sort(column) {
      state.isDescending = column.id === state.column ? !state.isDescending : Boolean(column.number);
      state.column = column.id;
      draw();
      element.querySelector(`[data-column="${column.id}"]`).focus();
    }

    function draw() {
      const columns = columnsOf(all);
      const by = columns.find((column) => column.id === state.column) ?? columns[0];
      const rows = sorted(given, by, state.isDescending).map((model) => row(model, columns));
      const none = atlas.element("tr", {}, atlas.element("td", { colspan: String(columns.length) }, "No model fits."));
      const table = atlas.element(
        "table",
        { class: "models" },
        atlas.element("caption", { class: "unseen" }, "All models"),
        atlas.element(
          "thead",
          {},
          atlas.element(
            "tr",
            {},
            columns.map((column) => head(column, state, sort)),
          ),
        ),
        atlas.element("tbody", {}, rows.length ? rows : none),
      );
      element.replaceChildren(atlas.scroller("Models", table), legend(all));
    }

    return {
      element,
      show(models) {
        given = models;
        draw();
      },
    };
  };
}
