"use strict";

/** All models: the chart of medians and the table, both of the models that fit the filter. */
{
  /** Kept while the reader looks at models. */
  const state = { column: "name", isDescending: false, filter: "", profile: "" };

  function fits(model) {
    const text = `${model.name} ${model.asked ?? ""} ${model.revision}`.toLowerCase();
    return text.includes(state.filter.toLowerCase()) && (!state.profile || model.profile === state.profile);
  }

  /** Names that tell the models apart: the shortest of these that no other model has. */
  function labelsOf(models) {
    const names = ({ name, asked, revision, profile }) => {
      const short = `${name} @ ${atlas.shortRevision(revision)}`;
      return [name, ...(asked ? [`${name} @ ${asked}`] : []), short, `${short} ${profile}`];
    };
    const uses = new Map();
    for (const text of models.flatMap((model) => [...new Set(names(model))])) uses.set(text, (uses.get(text) ?? 0) + 1);
    return (model) => names(model).find((text) => uses.get(text) === 1) ?? names(model).at(-1);
  }

  function curvesOf(models) {
    const label = labelsOf(models);
    return models.flatMap((model) =>
      model.curves.map((curve) => ({
        ...curve,
        label: atlas.visible(`${label(model)} ${curve.stack}`.trim()),
        link: atlas.link({ path: model.path }),
      })),
    );
  }

  function curvesTable(curves) {
    const heads = [
      { head: "model" },
      { head: "layer", number: true },
      { head: "relative depth", number: true },
      { head: "median cos(w_in, w_out)", number: true },
    ];
    const rows = curves.flatMap((curve) =>
      curve.layers.map((layer, place) => [
        curve.label,
        String(layer),
        atlas.decimals(curve.depths[place], 2),
        atlas.decimals(curve.medians[place], 4),
      ]),
    );
    return atlas.scroller("Medians by layer", atlas.table("Medians by layer", heads, rows));
  }

  function fields(models, changed) {
    const find = atlas.element("input", {
      type: "search",
      value: state.filter,
      placeholder: "name or revision",
      "aria-keyshortcuts": "/",
      oninput: () => changed({ filter: find.value }),
    });
    const all = [atlas.element("label", { class: "field" }, atlas.element("span", {}, "Find"), find)];
    const profiles = [...new Set(models.map((model) => model.profile))];
    if (profiles.length > 1) {
      const options = [["", "all"], ...profiles.map((profile) => [profile, profile])];
      all.push(atlas.select("Profile", options, state.profile, (profile) => changed({ profile })));
    }
    return { element: atlas.element("div", { class: "controls" }, all), focus: () => find.focus() };
  }

  atlas.pages.overview = async (_route, host) => {
    const { models } = await atlas.load("overview");
    const chartHost = atlas.element("div", { class: "chart medians", role: "img" });
    const lines = atlas.scroller("Lines of the chart", []);
    const numbers = atlas.disclosure("These numbers as a table", () => curvesTable(curves()));
    const table = atlas.modelsTable(models, state);
    const controls = fields(models, (changes) => {
      Object.assign(state, changes);
      draw();
      atlas.announce(`${atlas.counted(models.filter(fits).length, "model")} shown`);
    });
    const curves = () => curvesOf(models.filter(fits));

    function draw() {
      const drawn = curves();
      const label = `Median cos(w_in, w_out) against relative depth, ${atlas.counted(drawn.length, "line")}.`;
      chartHost.setAttribute("aria-label", `${label} The same as a table below.`);
      chart.draw();
      lines.replaceChildren(atlas.medianLegend(drawn, chart.bringOut));
      numbers.refresh();
      table.show(models.filter(fits));
    }

    const neurons = models.reduce((sum, model) => sum + model.neurons, 0);
    const counts = `${atlas.counted(models.length, "model")}, ${atlas.counted(neurons, "MLP neuron")}`;
    host.append(
      atlas.element("h1", { tabindex: "-1" }, "Models"),
      atlas.element(
        "p",
        { class: "lead" },
        `${counts}: what each reads from the residual stream, compared with what it writes to it.`,
      ),
      controls.element,
      atlas.element("h2", {}, "Median cos(w_in, w_out) by depth", atlas.explain("depth", "medians by depth")),
      atlas.element("div", { class: "beside" }, chartHost, lines),
      numbers.element,
      atlas.element("h2", {}, "All models", atlas.explain("classes", "classes")),
      table.element,
    );
    const chart = atlas.medianChart(chartHost, curves);
    draw();
    return { title: "Models", redraw: draw, find: controls.focus, up: null };
  };
}
