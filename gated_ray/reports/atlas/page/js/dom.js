"use strict";

// Elements are made here, of names and texts; no text is ever read as markup.
{
  function set(element, name, value) {
    if (value === null || value === undefined || value === false) return;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else element.setAttribute(name, value === true ? "" : value);
  }

  /**
   * An element.
   * @param {string} tag such as "p".
   * @param {object} attributes by name; "on..." are listeners, "style" is an object, null and false are left out.
   * @param {...(Node|string|number|null|Array)} children strings become text.
   */
  atlas.element = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) set(element, name, value);
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
    return element;
  };

  /** Somebody else's text: isolated from the direction of the text around it, with unseen characters written out. */
  atlas.foreign = (text, attributes = {}) => atlas.element("bdi", attributes, atlas.visible(text));

  /** A small drawing of one shape, hidden from people who hear the page. */
  atlas.drawing = ({ width, height }, shape, attributes) => {
    const [drawing, drawn] = ["svg", shape].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
    for (const [name, value] of Object.entries({ width, height, "aria-hidden": "true" })) set(drawing, name, value);
    for (const [name, value] of Object.entries(attributes)) set(drawn, name, value);
    drawing.append(drawn);
    return drawing;
  };

  atlas.button = (label, onclick, attributes = {}) =>
    atlas.element("button", { type: "button", onclick, ...attributes }, label);

  /**
   * A labelled choice of one.
   * @param {Array<[string, string]>} options value and label of each.
   */
  atlas.select = (label, options, value, onchange, attributes = {}) => {
    const items = options.map(([key, words]) =>
      atlas.element("option", { value: key, selected: key === value }, atlas.visible(words)),
    );
    const select = atlas.element("select", { onchange: () => onchange(select.value), ...attributes }, items);
    return atlas.element("label", { class: "field" }, atlas.element("span", {}, label), select);
  };

  atlas.checkbox = (label, checked, onchange) => {
    const box = atlas.element("input", { type: "checkbox", checked, onchange: () => onchange(box.checked) });
    return atlas.element("label", { class: "check" }, box, label);
  };

  /** A table, or whatever else may be wider than the window, in a frame that scrolls by mouse, touch and keyboard. */
  atlas.scroller = (label, content) =>
    atlas.element("div", { class: "scroller", role: "region", "aria-label": label, tabindex: "0" }, content);

  /** A table of texts and nodes. Columns: {head, number}. */
  atlas.table = (caption, columns, rows) => {
    const cell = (tag, content, column, extra = {}) =>
      atlas.element(tag, { class: column.number ? "number" : null, ...extra }, content);
    return atlas.element(
      "table",
      {},
      atlas.element("caption", { class: "unseen" }, caption),
      atlas.element(
        "thead",
        {},
        atlas.element(
          "tr",
          {},
          columns.map((each) => cell("th", each.head, each, { scope: "col" })),
        ),
      ),
      atlas.element(
        "tbody",
        {},
        rows.map((row) =>
          atlas.element(
            "tr",
            {},
            row.map((content, index) =>
              index ? cell("td", content, columns[index]) : cell("th", content, columns[0], { scope: "row" }),
            ),
          ),
        ),
      ),
    );
  };

  /** Content that is made when it is opened; `refresh` makes it again where it is open. */
  atlas.disclosure = (summary, make) => {
    const content = atlas.element("div", {});
    const element = atlas.element("details", {}, atlas.element("summary", {}, summary), content);
    const refresh = () => content.replaceChildren(...(element.open ? [make()] : []));
    element.addEventListener("toggle", refresh);
    return { element, refresh };
  };

  /** Say something to people who hear the page. */
  atlas.announce = (text) => {
    document.getElementById("announcements").textContent = text;
  };
}
