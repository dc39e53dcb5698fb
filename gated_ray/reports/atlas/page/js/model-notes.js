"use strict";

// What is known of a model besides its neurons, and what the store lacks of it.
{
  /** What the store says of the model. */
  atlas.modelFacts = (model) => {
    const { facts: known, summary } = model;
    const list = (values) => (values?.length ? values.join(", ") : null);
    const pairs =
      known.regions === "sampled" && known.pairs
        ? `sampled, at least ${atlas.count(known.pairs)} pairs a block`
        : known.regions;
    const rows = [
      [
        "revision",
        summary.asked && summary.asked !== summary.revision
          ? `${summary.asked} (${summary.revision})`
          : summary.revision,
      ],
      ["profile", `${summary.profile}${known.weights ? ` (weights: ${known.weights})` : ""}`],
      ["source", known.source],
      ["model type", known.model_type],
      ["d_model", known.d_model === null ? null : atlas.count(known.d_model)],
      ["neurons of a block (d_mlp)", known.d_mlp === null ? null : atlas.count(known.d_mlp)],
      ["experts of a layer", known.experts === null ? null : atlas.count(known.experts)],
      ["neuron's activation", list(known.product)],
      ["act", list(known.activation)],
      ["norm before the block", list(known.norm)],
      ["stored as", list([...(known.dtypes ?? []), ...(known.quantization ?? [])])],
      ["mismatched bands", pairs],
      ["not looked at", list(known.left_out)],
      ["caveat", known.caveat],
    ];
    return atlas.element(
      "dl",
      { class: "facts" },
      rows
        .filter(([, value]) => value)
        .map(([name, value]) => [atlas.element("dt", {}, name), atlas.element("dd", {}, atlas.foreign(value))]),
    );
  };

  /** What the store lacks of this model, said plainly. */
  atlas.lackingNotes = (model) => {
    const lines = [];
    if (!model.summary.gated)
      lines.push(
        "A plain model: its neurons have no gate, so that cos(w_in, w_out) is their only cosine, and there are three classes.",
      );
    if (!model.activity.length) lines.push("The store has no activation statistics of this model.");
    const none = [...new Set(model.rows.filter((row) => row.neurons === row.without).map((row) => row.layer))];
    if (none.length) {
      const where = `${none.length === 1 ? "layer" : "layers"} ${none.join(", ")}`;
      lines.push(`No neuron has a class in ${where}: their vectors are zero or not finite.`);
    }
    if (model.summary.without)
      lines.push(`${atlas.counted(model.summary.without, "neuron")} without a class: a vector is zero or not finite.`);
    if (model.facts.regions === "none") lines.push("This profile computed no mismatched bands.");
    return lines.length
      ? [
          atlas.element(
            "ul",
            { class: "notes" },
            lines.map((line) => atlas.element("li", {}, line)),
          ),
        ]
      : [];
  };

  /** Neurons of every class and layer. */
  atlas.countsTable = (rows, classes) => {
    const heads = [
      { head: "layer", number: true },
      ...classes.map((index) => ({ head: atlas.classes.words(index), number: true })),
      { head: "neurons", number: true },
      { head: "no class", number: true },
    ];
    const cells = rows.map((row) => [
      String(row.layer),
      ...classes.map((index) => atlas.count(row.counts[index])),
      atlas.count(row.neurons),
      atlas.count(row.without),
    ]);
    return atlas.scroller("Neurons per class and layer", atlas.table("Neurons per class and layer", heads, cells));
  };
}
