"use strict";

/** One neuron: its class in words, its numbers and its place among its layer, and how it acts. */
{
  class NeuronPage {
    constructor(model, at, host) {
      this.model = model;
      this.host = host;
      this.at = at;
      this.block = null;
      this.chart = null;
    }

    get route() {
      return { path: this.model.path, ...this.at };
    }

    get place() {
      return this.model.place(this.at.layer, this.at.component, this.at.expert);
    }

    /** The same neuron number in another layer of the component, or null. */
    otherLayer(by) {
      const rows = this.model.rowsOf(this.at.component);
      const row = rows[rows.findIndex((each) => each.layer === this.at.layer) + by];
      return row && this.model.place(row.layer, this.at.component, this.at.expert)
        ? { ...this.at, layer: row.layer }
        : null;
    }

    build() {
      const { host } = this;
      this.field = atlas.neuronField((neuron) => this.go({ ...this.at, neuron }));
      this.trail = atlas.element("nav", { class: "trail", "aria-label": "Where you are" });
      this.heading = atlas.element("h1", { tabindex: "-1" });
      this.steps = [
        atlas.button("‹ neuron", () => this.step(-1), { "aria-label": "Neuron before", title: "Neuron before (←)" }),
        atlas.button("neuron ›", () => this.step(1), { "aria-label": "Neuron after", title: "Neuron after (→)" }),
        atlas.button("‹ layer", () => this.stepLayer(-1), {
          "aria-label": "Layer before",
          title: "Layer before (Shift + ←)",
        }),
        atlas.button("layer ›", () => this.stepLayer(1), {
          "aria-label": "Layer after",
          title: "Layer after (Shift + →)",
        }),
      ];
      this.words = atlas.element("div", {});
      this.numbers = atlas.element("div", {});
      this.chartHost = atlas.element("div", { class: "chart small", role: "img" });
      this.activity = atlas.element("div", {});
      host.append(
        this.trail,
        this.heading,
        atlas.element(
          "div",
          { class: "controls" },
          atlas.element("div", { class: "steps" }, this.steps),
          this.field.element,
        ),
        this.words,
        atlas.element(
          "div",
          { class: "pair numbers" },
          atlas.element(
            "div",
            {},
            atlas.element("h2", {}, "Numbers", atlas.explain("place", "place among its layer")),
            this.numbers,
          ),
          atlas.element(
            "div",
            {},
            atlas.element("h2", {}, "Among its neighbours", atlas.explain("bands", "randomness bands")),
            this.chartHost,
          ),
        ),
        this.activity,
      );
      return this.show();
    }

    async show() {
      const { at, model } = this;
      const block = await model.block(at.layer, at.component, at.expert);
      if (this.at !== at || !this.host.isConnected) return false;
      if (at.neuron >= block.neurons) return false;
      const isOther = !this.block || this.block.start !== block.start || this.shownLayer !== at.layer;
      [this.block, this.shownLayer] = [block, at.layer];
      this.draw(isOther);
      return true;
    }

    draw(isOther) {
      const { at, block, model } = this;
      const place = at.expert === null ? `layer ${at.layer}` : `layer ${at.layer}, expert ${at.expert}`;
      const whole = at.expert === null ? "its layer" : "its expert";
      const words =
        model.components.length > 1 && at.expert === null
          ? ` ${model.components.find((each) => each.name === at.component).words}`
          : "";
      this.heading.textContent = `Neuron ${at.neuron} of ${place}${words}`;
      this.trail.replaceChildren(
        atlas.element("a", { href: "#/" }, "all models"),
        " / ",
        atlas.element(
          "a",
          { href: atlas.link({ ...this.route, neuron: null }) },
          atlas.foreign(model.summary.name),
          `, ${place}`,
        ),
      );
      const has = [at.neuron > 0, at.neuron < block.neurons - 1, this.otherLayer(-1), this.otherLayer(1)];
      this.steps.forEach((button, index) => button.setAttribute("aria-disabled", String(!has[index])));
      this.field.show(block.neurons, at.neuron);
      this.words.replaceChildren(...[atlas.neuronClass(block, at.neuron, whole)].flat());
      this.numbers.replaceChildren(atlas.neuronNumbers(block, at.neuron, whole));
      this.drawChart(isOther);
      this.activity.replaceChildren(atlas.activityView(model, this.place, block.offset + at.neuron));
      this.host.dataset.shown = `${at.layer} ${at.component} ${at.expert ?? "-"} ${at.neuron}`;
      atlas.announce(`${this.heading.textContent}: ${atlas.neuronWords(block, at.neuron).slice(1).join(", ")}`);
    }

    drawChart(isOther) {
      const { at, block } = this;
      const none = new Set();
      const view = {
        block,
        shown: atlas.shownNeurons(block, none),
        hidden: none,
        range: 1,
        bands: { mismatched: true, theory: true },
        selected: at.neuron,
      };
      this.chartHost.setAttribute(
        "aria-label",
        `Neuron ${at.neuron} among ${atlas.counted(block.neurons, "neuron")}; the table beside it has its numbers.`,
      );
      if (!this.chart)
        this.chart = block.isGated
          ? atlas.scatter(
              this.chartHost,
              view,
              (neuron) => this.go({ ...this.at, neuron }),
              () => {},
            )
          : atlas.histogram(this.chartHost, view);
      else this.chart.show(isOther ? view : { selected: at.neuron });
    }

    /** Another neuron of this model, at once, and in the address soon after. */
    go(at) {
      this.at = at;
      atlas.note(this.route);
      this.show().catch(atlas.showError);
    }

    step(by) {
      const neuron = this.at.neuron + by;
      if (neuron >= 0 && neuron < this.block.neurons) this.go({ ...this.at, neuron });
    }

    async stepLayer(by) {
      const other = this.otherLayer(by);
      if (!other) return;
      try {
        const { neurons } = await this.model.block(other.layer, other.component, other.expert);
        this.go({ ...other, neuron: Math.min(other.neuron, neurons - 1) });
      } catch (error) {
        atlas.showError(error);
      }
    }

    /** Another address; whether it is of the neurons at hand. */
    update(route) {
      const { path, layer, component, expert, neuron } = route;
      const { at } = this;
      const isHere =
        path === this.model.path && layer === at.layer && component === at.component && expert === at.expert;
      if (!isHere || neuron === null || neuron >= this.block.neurons) return false;
      if (neuron !== at.neuron) {
        this.at = { ...at, neuron };
        this.show().catch(atlas.showError);
      }
      return true;
    }
  }

  atlas.pages.neuron = async (route, host) => {
    const model = await atlas.model(route.path);
    const { layer, component, expert, neuron } = route;
    if (!model || !model.place(layer, component, expert)) return null;
    const page = new NeuronPage(model, { layer, component, expert, neuron }, host);
    if (!(await page.build())) return null;
    return {
      title: () => `${page.heading.textContent}, ${model.summary.name}`,
      update: (next) => page.update(next),
      redraw: () => page.draw(true),
      step: (by) => page.step(by),
      stepFar: (by) => page.stepLayer(by),
      find: () => page.field.focus(),
      get up() {
        return { ...page.route, neuron: null };
      },
    };
  };
}
