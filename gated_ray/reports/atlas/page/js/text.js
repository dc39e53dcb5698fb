"use strict";

// Names, tokens and documents are whatever somebody wrote: they are shown as text, with what would not be seen made visible.
{
  /** Control, format, surrogate and separator characters, but for the two joiners, which many scripts and emoji need. */
  const unseen = /(?![\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
  const pictures = { "\n": "↵", "\t": "⇥" };

  function picture(character) {
    const code = character.codePointAt(0);
    return pictures[character] ?? `⟨U+${code.toString(16).toUpperCase().padStart(4, "0")}⟩`;
  }

  /** The text with control and direction characters written out. */
  atlas.visible = (text) => String(text).replace(unseen, picture);

  /** A commit, or a folder's digest, as people say it. */
  atlas.shortRevision = (revision) => revision.replace(/^local-/, "").slice(0, 7);
}
