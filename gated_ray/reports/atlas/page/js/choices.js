"use strict";

// What the reader chose for all pages: light or dark, and which of the authors' vocabularies. Kept by the browser if it may.
{
  const PREFIX = "gated-ray-atlas-";
  const listeners = new Set();

  function kept(name, fallback) {
    try {
      return localStorage.getItem(PREFIX + name) ?? fallback;
    } catch {
      return fallback;
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(PREFIX + name, value);
    } catch {
      // Some browsers keep nothing for pages opened from a folder; the choice then lasts as long as the page.
    }
  }

  const known = { theme: ["auto", "light", "dark"], vocabulary: ["io", "rw"] };
  const chosen = {};
  for (const [name, values] of Object.entries(known)) {
    const value = kept(name, values[0]);
    chosen[name] = values.includes(value) ? value : values[0];
  }

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");

  function apply() {
    if (chosen.theme === "auto") document.documentElement.removeAttribute("data-theme");
    else document.documentElement.setAttribute("data-theme", chosen.theme);
    for (const listener of listeners) listener();
  }

  function choose(name, value) {
    chosen[name] = value;
    keep(name, value);
    apply();
  }

  atlas.isDark = () => (chosen.theme === "auto" ? prefersDark.matches : chosen.theme === "dark");
  atlas.vocabulary = () => chosen.vocabulary;

  /** Call when a choice changes. */
  atlas.onChoice = (listener) => listeners.add(listener);

  prefersDark.addEventListener("change", apply);
  apply();

  atlas.showChoices = (host, openHelp) => {
    const names = [
      ["io", "enrichment / depletion"],
      ["rw", "strengthening / weakening"],
    ];
    const themes = [
      ["auto", "as the system"],
      ["light", "light"],
      ["dark", "dark"],
    ];
    host.append(
      atlas.select("Class names", names, chosen.vocabulary, (value) => choose("vocabulary", value)),
      atlas.select("Colours", themes, chosen.theme, (value) => choose("theme", value)),
      atlas.button("Explain", openHelp, { "aria-keyshortcuts": "?", title: "Explanations and keys (?)" }),
    );
  };
}
