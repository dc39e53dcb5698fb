"use strict";

{
  /** What the typical classes are, by cosines and in effect. */
  const meanings = {
    enrichment:
      "strong cos(w_in, w_out) above 0 and strong cos(w_gate, w_out): the neuron adds to the stream the direction that both its inputs detect.",
    conditional_enrichment:
      "strong cos(w_in, w_out) above 0, weak cos(w_gate, w_out): it adds the direction that w_in reads, on a condition that w_gate reads elsewhere.",
    proportional_change:
      "weak cos(w_in, w_out), strong cos(w_gate, w_out): it changes the stream along w_gate, in proportion to what w_in reads.",
    orthogonal_output: "both weak: it writes a direction other than those it reads.",
    conditional_depletion:
      "strong cos(w_in, w_out) below 0, weak cos(w_gate, w_out): it removes the direction that w_in reads, on a condition that w_gate reads elsewhere.",
    depletion:
      "strong cos(w_in, w_out) below 0 and strong cos(w_gate, w_out): it removes from the stream the direction that its inputs detect.",
  };

  const plainMeanings = {
    enrichment: "strong cos(w_in, w_out) above 0: the neuron adds to the stream the direction that it reads.",
    orthogonal_output: "weak cos(w_in, w_out): the neuron writes a direction other than the one it reads.",
    depletion: "strong cos(w_in, w_out) below 0: the neuron removes from the stream the direction that it reads.",
  };

  /** A class in a sentence, for the neuron that has it. */
  atlas.meaningOf = (name, isGated) => {
    if (!isGated) return `${plainMeanings[name][0].toUpperCase()}${plainMeanings[name].slice(1)}`;
    const meaning = meanings[name.replace("atypical_", "")];
    const atypical = name.startsWith("atypical_")
      ? " Atypical, because cos(w_gate, w_in) does not fit the other two cosines."
      : "";
    return `${meaning[0].toUpperCase()}${meaning.slice(1)}${atypical}`;
  };

  // What the words mean, in the vocabulary that the reader chose. Each has an id, by which buttons open it.
  atlas.explanations = () => {
    const word = atlas.classes.called;
    return [
      {
        id: "neuron",
        title: "A neuron and its cosines",
        text: [
          "A gated MLP maps x, what it reads from the residual stream, to W_out · (act(W_gate x) · (W_in x)). Neuron n owns three vectors: w_gate and w_in, which it reads with, and w_out, which it writes. A plain MLP has w_in and w_out only.",
          "The atlas compares them by their cosines, after the norm before the MLP is folded into w_gate and w_in. A cosine of 1 is the same direction, 0 a right angle, −1 the opposite direction.",
          "(w_in, w_out) and (−w_in, −w_out) are the same neuron. Both are flipped where that makes cos(w_gate, w_in) at least 0: the canonical sign.",
          "Cosines are shown to four decimals and other numbers to three digits, rounded once from what the store holds. A zero vector, or a weight that is not finite, has no cosine; such neurons have no class.",
        ],
      },
      {
        id: "classes",
        title: "Classes",
        text: [
          "A cosine above 0.5 or below −0.5 counts as strong. Two of them name the class; classes are decided on the exact cosines, before rounding.",
          ...Object.entries(meanings),
          "Atypical are neurons of a class (but the orthogonal one) whose cos(w_gate, w_in) does not fit the other two: typical ones have it strong exactly where both others are, with the sign of their product. Bars and buttons show them hatched.",
          `Plain MLPs have three classes, by cos(w_in, w_out) alone: ${word("enrichment")}, ${word("orthogonal_output")}, ${word("depletion")}.`,
          "The authors named the classes enrichment and depletion first, strengthening and weakening later. Choose at the top of the page which names are shown.",
        ],
      },
      {
        id: "bands",
        title: "Randomness bands",
        text: [
          "What a cosine must exceed to be more than chance (p = 0.05), in two ways.",
          "Theory (dotted): the central 95 % of the cosine of two independent Gaussian vectors in d_model dimensions.",
          "Mismatched (grey): the central 95 % of the cosines between one neuron's vector and another neuron's of the same block. Weights are not isotropic, so that this band is often wider or off centre.",
          "For cos(w_gate, w_in), which is never negative, one end: 95 % of the absolute cosines are below. Marks on the colour scale show it.",
          "Dashed lines are the threshold of the classes, ±0.5.",
        ],
      },
      {
        id: "depth",
        title: "Medians by depth",
        text: [
          "For every layer the median of cos(w_in, w_out) over its neurons, against the layer's number divided by the last layer's. Where a layer has several MLPs (a shared expert beside experts), the mean of their medians, weighted by neurons.",
          "Many models add what they read in early layers (above 0) and remove it in late ones (below 0).",
        ],
      },
      {
        id: "place",
        title: "A neuron's place among its layer",
        text: [
          "The share of the neurons of its layer (of its expert, in a mixture of experts) that have a smaller value; equal ones count half.",
          "In a mixture of experts every expert is an MLP of its own, with its own neurons, bands and percentiles.",
        ],
      },
      {
        id: "activations",
        title: "Activation statistics",
        text: [
          "From a run of the model over a dataset of tokens. For each token: g = w_gate · x, u = w_in · x (with the canonical sign), act(g), and post = act(g) · u, which scales what the neuron writes.",
          "The four quadrants are the signs of g and u. Frequency is the share of the tokens in a quadrant, means are over the tokens in it. Exact zeros belong to no quadrant.",
          "An expert's neuron sees only the tokens routed to its expert.",
        ],
      },
      {
        id: "examples",
        title: "Strongest documents and tokens",
        text: [
          "Of each quadrant the documents with the largest |post|, one entry a document: the text before and after the peak token, which is marked strongly. Faint shading tells tokens apart; only the value at the peak is known.",
          "Top tokens are those at the peaks of all stored examples of a quadrant, counted.",
          "A token whose text is not known, or empty (a special token, a part of a character), is shown by its number. Control characters and those that change the direction of text are written out, long tokens end in an ellipsis.",
        ],
      },
      {
        id: "keys",
        title: "Keys",
        keys: [
          ["Tab", "from control to control; Enter or Space to use one"],
          ["← →", "the layer before or after on a model's page, the neuron before or after on a neuron's"],
          ["Shift + ← →", "on a neuron's page, the layer before or after"],
          ["← → Home End, Enter", "with the focus on a scatter: from neuron to neuron, open it"],
          ["← → ↑ ↓, Enter", "with the focus on the map of experts: from expert to expert, show it"],
          ["/", "to the field that finds models, or a neuron by its number"],
          ["u", "one page up: neuron, model, all models"],
          ["?", "these explanations; Esc closes them"],
        ],
      },
      {
        id: "links",
        title: "Links",
        text: [
          "The address of every view can be kept and shared: #/MODEL/REVISION/PROFILE/LAYER/COMPONENT/EXPERT/NEURON, where MODEL is written as org--name, EXPERT is - where there are none, and everything after PROFILE may be left out from the end.",
        ],
      },
    ];
  };
}
