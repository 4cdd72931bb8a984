// The words of prompts and captions, as lexipix.metrics.text splits them and Python compares them.

const CJK = "぀-ヿ㐀-䶿一-鿿가-힯"; // each character is a word
const SPACE = "\\p{White_Space}\\x1c-\\x1f";
const WORD = "[\\p{L}\\p{N}_]";
const TEXT_WORD = `[${CJK}]|(?:(?![${CJK}])${WORD})+`;
const TOKEN = new RegExp(`${TEXT_WORD}|[^\\p{L}\\p{N}_${SPACE}]`, "gu");
const SPACES = new RegExp(`[${SPACE}]+`, "gu");

/** Words and punctuation marks of a text in lower case. */
export const tokensOf = (text) => text.toLowerCase().match(TOKEN) ?? [];

/** The words of a text in lower case, without punctuation marks. */
export const wordsOf = (text) => tokensOf(text).filter((token) => /^[\p{L}\p{N}]+$/u.test(token));

/** A text with single spaces between its words and none at its ends. */
export const singleSpaced = (text) => text.replace(SPACES, " ").trim();

/** A text in pieces, of which every other one is a word. */
export const splitWords = (text) => text.split(new RegExp(`(${TEXT_WORD})`, "u"));

/** Calls `change` for every run of letters, digits and underscores; what it returns takes its place. */
export const replaceWords = (text, change) => text.replace(new RegExp(`${WORD}+`, "gu"), change);

/** At most three words that are spelled nearly the same, as difflib.get_close_matches finds them. */
export function similarWords(word, known) {
  const letters = Array.from(word);
  const found = [];
  for (const other of known) {
    const others = Array.from(other);
    const total = letters.length + others.length;
    if (2 * Math.min(letters.length, others.length) < 0.6 * total) continue;
    const ratio = (2 * sharedLength(others, letters)) / total;
    if (ratio >= 0.6) found.push([ratio, other]);
  }
  found.sort(([a, first], [b, second]) => b - a || (first < second ? 1 : -1));
  return found.slice(0, 3).map(([, other]) => other);
}

/** Characters in common blocks: the longest one, and those on both of its sides. */
function sharedLength(a, b) {
  let [size, endA, endB] = [0, 0, 0];
  let above = [];
  a.forEach((letter, row) => {
    const run = b.map((other, column) => (letter === other ? (above[column - 1] ?? 0) + 1 : 0));
    run.forEach((length, column) => {
      if (length > size) [size, endA, endB] = [length, row + 1, column + 1];
    });
    above = run;
  });
  if (!size) return 0;
  const before = sharedLength(a.slice(0, endA - size), b.slice(0, endB - size));
  return before + size + sharedLength(a.slice(endA), b.slice(endB));
}
