"use strict";

// The explanations, in a dialog that opens at the one that was asked for.
{
  let dialog = null;

  function paragraph(text) {
    if (!Array.isArray(text)) return atlas.element("p", {}, text);
    const [name, meaning] = text;
    const swatch = atlas.swatch(atlas.classes.indexOf(name));
    return atlas.element(
      "p",
      { class: "meaning" },
      swatch,
      " ",
      atlas.element("strong", {}, atlas.classes.called(name)),
      `: ${meaning}`,
    );
  }

  function keyList(keys) {
    return atlas.element(
      "dl",
      {},
      keys.map(([key, meaning]) => [
        atlas.element("dt", {}, atlas.element("kbd", {}, key)),
        atlas.element("dd", {}, meaning),
      ]),
    );
  }

  function section({ id, title, text, keys }) {
    const body = keys ? keyList(keys) : text.map(paragraph);
    return atlas.element("section", { id: `explain-${id}` }, atlas.element("h3", { tabindex: "-1" }, title), body);
  }

  /** Open the explanations at one of them, or at the beginning. */
  atlas.openHelp = (id) => {
    dialog?.remove();
    const close = atlas.button("Close", () => dialog.close(), { "aria-keyshortcuts": "Escape" });
    const head = atlas.element(
      "div",
      { class: "head" },
      atlas.element("h2", { id: "explanations" }, "Explanations"),
      close,
    );
    const body = atlas.element(
      "div",
      { class: "body", tabindex: "0", role: "region", "aria-label": "All explanations" },
      atlas.explanations().map(section),
    );
    dialog = document.body.appendChild(atlas.element("dialog", { "aria-labelledby": "explanations" }, head, body));
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
    dialog.showModal();
    const heading = id && dialog.querySelector(`#explain-${id} h3`);
    if (heading) {
      heading.scrollIntoView();
      heading.focus({ preventScroll: true });
    } else close.focus();
  };

  atlas.isHelpOpen = () => Boolean(dialog?.open);

  /** A small button that explains what stands beside it. */
  atlas.explain = (id, what) =>
    atlas.button("?", () => atlas.openHelp(id), {
      class: "explain",
      "aria-label": `Explain: ${what}`,
      title: "Explain",
    });
}
