"use strict";

/** How a neuron acts over a dataset: statistics by quadrant, top tokens, strongest documents with the peak token marked. */
{
  /** The dataset that the reader chose last. */
  let chosen = null;

  const signs = (quadrant) => quadrant.replace("gate", "gate ").replace("_in", ", in ").replaceAll("-", "−");

  /** A token: its text, or its number where it has none. */
  function token(word, kind) {
    if (typeof word === "number") return atlas.element("span", { class: `token number ${kind}` }, `#${word}`);
    return atlas.element("bdi", { class: `token ${kind}` }, atlas.visible(word));
  }

  function statistics(activity) {
    const heads = [
      { head: "quadrant" },
      { head: "frequency, %", number: true },
      ...atlas.quantities.map((name) => ({ head: `mean ${name}`, number: true })),
    ];
    const rows = atlas.quadrants.map((quadrant, index) => {
      const [frequency, ...means] = activity.statistics[index];
      return [signs(quadrant), atlas.threeDigits(frequency, 2), ...means.map((code) => atlas.threeDigits(code))];
    });
    return atlas.scroller("Activation statistics", atlas.table("Activation statistics by quadrant", heads, rows));
  }

  function summary(activity) {
    const parts = [];
    if (activity.tokens !== null) parts.push(`${atlas.counted(activity.tokens, "token")} seen`);
    if (activity.nanTokens) parts.push(`${atlas.count(activity.nanTokens)} of them with a value that is not finite`);
    if (atlas.isKnown(activity.routed))
      parts.push(`${atlas.threeDigits(activity.routed, 2)} % of all tokens routed to this expert`);
    if (atlas.isKnown(activity.gatePositive))
      parts.push(`gate above 0 for ${atlas.threeDigits(activity.gatePositive, 2)} %`);
    return atlas.element("p", {}, `${parts.join("; ") || "No tokens seen"}.`);
  }

  function excerpt(document) {
    const { words, peak, position, total } = document;
    const known = total ? `token ${atlas.count(position)} of ${atlas.count(total)}` : `token ${atlas.count(position)}`;
    const before = position > peak ? "… " : "";
    const after = position - peak + words.length < total ? " …" : "";
    const text = words.length
      ? atlas.element(
          "p",
          { class: "excerpt", dir: "auto" },
          before,
          words.map((word, place) => token(word, place === peak ? "peak" : place % 2 ? "odd" : "even")),
          after,
        )
      : atlas.element("p", { class: "excerpt" }, "The store has no text of this document.");
    return atlas.element(
      "li",
      {},
      atlas.element(
        "p",
        { class: "source" },
        atlas.element("span", { class: "value" }, `post ${atlas.threeDigits(document.value)}`),
        ` document ${atlas.count(document.document)}, ${known}`,
      ),
      text,
    );
  }

  function quadrant(name, examples) {
    const { documents, tokens } = examples;
    const top = tokens.length
      ? atlas.element(
          "ul",
          { class: "tokens" },
          tokens.map(({ word, count }) => atlas.element("li", {}, token(word, "even"), ` × ${count}`)),
        )
      : null;
    return atlas.element(
      "section",
      { class: "quadrant" },
      atlas.element("h4", {}, signs(name)),
      documents.length
        ? [top, atlas.element("ol", { class: "documents" }, documents.map(excerpt))]
        : atlas.element("p", { class: "none" }, "No token in this quadrant."),
    );
  }

  function examples(dataset, activity) {
    if (!activity.examples)
      return [atlas.element("p", { class: "none" }, "The store has no examples of this dataset.")];
    const missing = dataset.texts
      ? []
      : [
          atlas.element(
            "p",
            { class: "none" },
            "The store has no texts of this dataset: documents are shown by their numbers.",
          ),
        ];
    return [
      atlas.element("h3", {}, "Top tokens and strongest documents", atlas.explain("examples", "documents and tokens")),
      ...missing,
      atlas.element(
        "div",
        { class: "quadrants" },
        atlas.quadrants.map((name, index) => quadrant(name, activity.examples[index])),
      ),
    ];
  }

  /**
   * @param {object} model
   * @param {object} place of `model.place`.
   * @param {function(): number} neuron its place in its neuron file.
   */
  atlas.activityView = (model, place, neuron) => {
    const heading = atlas.element("h2", {}, "Activations", atlas.explain("activations", "activation statistics"));
    const datasets = model.activity.filter((each) => each.rows.includes(model.rows.indexOf(place.row)));
    if (!datasets.length)
      return atlas.element(
        "section",
        {},
        heading,
        atlas.element(
          "p",
          { class: "none" },
          model.activity.length
            ? "The store has no activation statistics of this layer."
            : "The store has no activation statistics of this model.",
        ),
      );
    const body = atlas.element("div", {});
    async function show(name) {
      chosen = name;
      const dataset = datasets.find((each) => each.dataset === name);
      try {
        const activity = await atlas.activity(dataset, place.name, neuron);
        body.replaceChildren(summary(activity), statistics(activity), ...examples(dataset, activity));
      } catch (error) {
        body.replaceChildren(atlas.element("p", { class: "error", role: "alert" }, error.message));
      }
    }
    const options = datasets.map((each) => [each.dataset, each.dataset]);
    const first = datasets.some((each) => each.dataset === chosen) ? chosen : datasets[0].dataset;
    show(first);
    return atlas.element("section", {}, heading, atlas.select("Dataset", options, first, show), body);
  };
}
