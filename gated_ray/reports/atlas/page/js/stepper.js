"use strict";

/** The controls of a model's page that lead to a layer, an expert and a neuron. */
{
  /** A field for the number of a neuron. `open` is called with a number that the block has. */
  atlas.neuronField = (open) => {
    const input = atlas.element("input", {
      type: "number",
      min: "0",
      step: "1",
      class: "find",
      "aria-keyshortcuts": "/",
    });
    const submit = (event) => {
      event.preventDefault();
      const neuron = input.valueAsNumber;
      if (Number.isInteger(neuron) && neuron >= 0 && neuron <= Number(input.max)) open(neuron);
      else atlas.announce(`There are neurons 0 to ${input.max}`);
    };
    const label = atlas.element("label", { class: "field" }, atlas.element("span", {}, "Neuron"), input);
    return {
      element: atlas.element(
        "form",
        { class: "field", onsubmit: submit },
        label,
        atlas.element("button", { type: "submit" }, "Open"),
      ),
      focus: () => input.focus(),
      /** How many neurons there are, and which is shown, if one is. */
      show(neurons, neuron) {
        input.max = String(neurons - 1);
        if (neuron !== undefined) input.value = String(neuron);
      },
    };
  };

  /**
   * @param {Array} rows of a component.
   * @param {object} calls {layer(number), expert(number), neuron(number)}: what the reader asks for.
   */
  atlas.stepper = (rows, calls) => {
    const slider = atlas.element("input", {
      type: "range",
      min: "0",
      max: String(rows.length - 1),
      step: "1",
      class: "layer",
    });
    slider.addEventListener("input", () => calls.layer(rows[slider.valueAsNumber].layer));
    const number = atlas.element("output", {});
    const experts = atlas.element("div", { class: "field" });
    const neuron = atlas.neuronField(calls.neuron);
    let place = 0;

    function step(by) {
      const row = rows[place + by];
      if (row) calls.layer(row.layer);
    }

    function showExperts(all, expert) {
      if (!all) return;
      const stepExpert = (by) => () => {
        const next = all[all.indexOf(expert) + by];
        if (next !== undefined) calls.expert(next);
      };
      const options = all.map((each) => [String(each), String(each)]);
      const hadFocus = experts.contains(document.activeElement)
        ? document.activeElement.getAttribute("aria-label")
        : null;
      experts.replaceChildren(
        atlas.button("‹", stepExpert(-1), { "aria-label": "Expert before" }),
        atlas.select("Expert", options, String(expert), (value) => calls.expert(Number(value)), {
          "aria-label": "Expert",
        }),
        atlas.button("›", stepExpert(1), { "aria-label": "Expert after" }),
      );
      if (hadFocus) experts.querySelector(`[aria-label="${hadFocus}"]`).focus();
    }

    return {
      element: atlas.element(
        "div",
        { class: "controls" },
        atlas.element(
          "div",
          { class: "stepper" },
          atlas.button("‹", () => step(-1), { "aria-label": "Layer before", title: "Layer before (←)" }),
          atlas.element("label", { class: "field wide" }, atlas.element("span", {}, "Layer"), number, slider),
          atlas.button("›", () => step(1), { "aria-label": "Layer after", title: "Layer after (→)" }),
        ),
        experts,
        neuron.element,
      ),
      step,
      neuron,
      /** Where the page is. */
      show({ layer, expert }) {
        place = rows.findIndex((row) => row.layer === layer);
        slider.value = String(place);
        slider.setAttribute("aria-valuetext", `layer ${layer}`);
        number.textContent = String(layer);
        showExperts(rows[place].experts, expert);
      },
    };
  };
}
