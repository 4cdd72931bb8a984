// Checks of a prompt before it is drawn, and captions that fit it: lexipix.inference.prompt_checks and
// prompt_suggestions.

import { replaceWords, similarWords, singleSpaced, tokensOf, wordsOf } from "./words.js";

const EXAMPLE = '"a big red circle at the left on white"';
const MAX_SHOWN = 60; // characters of a prompt that a message repeats
const FREQUENT = 5000; // words of more captions, such as "a", suggest none

/** A mistake of the user, whose message is shown on the page. */
export class PromptError extends Error {}

/** What a model reads: the words of its captions, and known words that mean about the same as others. */
export class PromptChecks {
  #known;
  #nearest;
  #tokenizer;
  #limits;
  #similar = new Map();

  /** `limits` are maxTokens of the model and maxChars of a prompt. */
  constructor(knownWords, nearestWords, tokenizer, limits) {
    this.#known = new Set(knownWords);
    this.#nearest = new Map(Object.entries(nearestWords));
    this.#tokenizer = tokenizer;
    this.#limits = limits;
  }

  /** A PromptError if a prompt has too many characters. */
  checkLength(prompt) {
    const { maxChars } = this.#limits;
    const nChars = Array.from(prompt).length;
    if (nChars > maxChars) {
      throw new PromptError(
        `The prompt ${shown(prompt)} has ${counted(nChars)} characters, more than ${counted(maxChars)}: shorten it.`,
      );
    }
  }

  /** A prompt as the model reads it, and a warning or an empty text; a PromptError if it cannot be drawn. */
  check(prompt) {
    this.checkLength(prompt);
    const { maxTokens } = this.#limits;
    const given = singleSpaced(prompt);
    if (!given) throw new PromptError(`The prompt is empty: name what to draw, such as ${EXAMPLE}.`);
    const length = this.#tokenizer.count(given);
    if (length > maxTokens) {
      throw new PromptError(
        `The prompt ${shown(given)} is too long: it has ${length - 1} tokens (words and parts of words), ` +
          `the model reads at most ${maxTokens - 1}; shorten it.`,
      );
    }
    const [text, replaced] = this.#withKnownWords(given);
    return { text, warning: [replaced, this.#unknownWarning(text)].filter(Boolean).join(" ") };
  }

  /** The different words of a prompt that the model never saw, each with the nearest ones: [word, nearest]. */
  unknownWords(prompt) {
    return this.#unknown(prompt).map((word) => {
      const meant = this.#nearest.has(word) ? [this.#nearest.get(word)] : [];
      return [word, [...new Set([...meant, ...this.#similarTo(word)])]];
    });
  }

  #unknown(text) {
    return this.#known.size ? [...new Set(wordsOf(text))].filter((word) => !this.#known.has(word)) : [];
  }

  #withKnownWords(text) {
    const notes = new Map();
    const replaced = replaceWords(text, (found) => {
      const word = found.toLowerCase();
      if (this.#known.has(word) || !this.#nearest.has(word)) return found;
      notes.set(word, `"${word}" as "${this.#nearest.get(word)}"`);
      return this.#nearest.get(word);
    });
    if (!notes.size) return [text, ""];
    const listed = [...notes.values()].join(", ");
    return [replaced, `The model never saw some words in training and draws ${listed}.`];
  }

  #unknownWarning(text) {
    const used = wordsOf(text);
    if (!used.length) {
      throw new PromptError(`The prompt ${shown(text)} has no words: name what to draw, such as ${EXAMPLE}.`);
    }
    const unknown = this.#unknown(text);
    if (!unknown.length) return "";
    const hints = unknown.slice(0, 5).map((word) => {
      const similar = this.#similarTo(word);
      return `"${word}"` + (similar.length ? ` (similar: ${similar.join(", ")})` : "");
    });
    if (unknown.length > 5) hints.push(`${unknown.length - 5} more`);
    const listed = hints.join(", ");
    if (!used.some((word) => this.#known.has(word))) {
      throw new PromptError(
        `The model never saw any word of ${shown(text)} in training: ${listed}. Use words of its captions, ` +
          `such as ${this.#examples().join(", ")}.`,
      );
    }
    return `The model never saw ${listed} in training and will probably ignore it.`;
  }

  #similarTo(word) {
    if (!this.#similar.has(word)) this.#similar.set(word, similarWords(word, this.#known));
    return this.#similar.get(word);
  }

  /** Some known words to start from; long words tell more than "a" and "of". */
  #examples() {
    const known = [...this.#known].sort();
    const long = known.filter((word) => Array.from(word).length > 3 && /^\p{L}+$/u.test(word));
    return spread(long.length ? long : known, 12);
  }
}

const counted = (number) => number.toLocaleString("en");

const spread = (list, n) =>
  list.filter((_, place) => place % Math.max(1, Math.floor(list.length / n)) === 0).slice(0, n);

/** A prompt in quotation marks, shortened if it is long. */
function shown(prompt) {
  const characters = Array.from(prompt);
  const short = characters.length <= MAX_SHOWN ? prompt : `${characters.slice(0, MAX_SHOWN - 1).join("")}…`;
  return `"${short}"`;
}

/** Finds captions of a training set for an incomplete prompt. */
export class Suggestions {
  #captions;
  #owners = new Map(); // of each word
  #sorted;

  constructor(captions) {
    this.#captions = captions;
    captions.forEach((caption, row) => {
      for (const word of new Set(tokensOf(caption))) {
        if (!this.#owners.has(word)) this.#owners.set(word, []);
        this.#owners.get(word).push(row);
      }
    });
    const lower = captions.map((caption, row) => [caption.toLowerCase(), row]);
    this.#sorted = lower.sort(([a, first], [b, second]) => (a < b ? -1 : a > b ? 1 : first - second));
  }

  /** At most `n` captions: those that continue the prompt, then those that share most of its words. */
  find(prompt, n = 4) {
    const same = singleSpaced(prompt.toLowerCase());
    if (!same) return spread(this.#captions, n);
    const isOpen = singleSpaced(prompt.at(-1)) !== ""; // the last word may be incomplete
    const rows = new Set([...this.#continuing(isOpen ? same : `${same} `, n), ...this.#sharing(prompt, isOpen, n)]);
    const different = [...rows].map((row) => this.#captions[row]);
    return different.filter((caption) => caption.toLowerCase() !== same).slice(0, n);
  }

  /** Captions that begin with a text, one in each stretch of them so that they differ. */
  #continuing(start, n) {
    const first = this.#place((caption) => caption >= start);
    const last = this.#place((caption) => caption > start && !caption.startsWith(start));
    const step = Math.max(1, Math.floor((last - first) / (n + 1)));
    const rows = this.#sorted.slice(first, last).filter((_, place) => place % step === 0);
    return rows.slice(0, n + 1).map(([, row]) => row);
  }

  /** The first place in the sorted captions from which on `isAfter` is true. */
  #place(isAfter) {
    let [low, high] = [0, this.#sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (isAfter(this.#sorted[middle][0])) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Captions by the number of the prompt's words that they have. */
  #sharing(prompt, isOpen, n) {
    const words = [...new Set(tokensOf(prompt))];
    const counts = new Map();
    const count = (rows) => rows.forEach((row) => counts.set(row, (counts.get(row) ?? 0) + 1));
    for (const word of words) {
      const owners = this.#owners.get(word) ?? [];
      if (owners.length <= FREQUENT) count(owners);
    }
    const begun = words.at(-1);
    if (begun !== undefined && isOpen && !this.#owners.has(begun)) {
      const rows = new Set();
      for (const [word, owners] of this.#owners) if (word.startsWith(begun)) owners.forEach((row) => rows.add(row));
      count(rows);
    }
    const ordered = [...counts].sort(([a, first], [b, second]) => second - first || a - b);
    return ordered.slice(0, n + 1).map(([row]) => row);
  }
}
