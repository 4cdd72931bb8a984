// Prompts as token ids, as lexipix.data.tokenization makes them: byte-level BPE, or text features.

const UNKNOWN = "<unknown-feature>"; // only tokenizers of features have it
const HAN = /(\p{Script=Han})/u;
const PUNCTUATION = /([!-/:-@[-`{-~\p{P}])/u;
const PART_LENGTHS = [3, 4, 5]; // characters, with the marks of a word's ends
// How GPT-2 splits a text before its bytes are merged
const WORDS =
  /('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+)/u;

/** Lower case, character by character: a sigma is the same one everywhere. */
const lowercase = (text) => Array.from(text, (character) => character.toLowerCase()).join("");
const strip = (text) => text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, "");
const isolate = (pieces, pattern) => pieces.flatMap((piece) => piece.split(pattern)).filter(Boolean);

/** Turns prompts into ids. */
export class Tokenizer {
  #vocabulary;
  #ranks; // of the pairs that BPE merges
  #special;
  #maxTokens;

  /** `tokenizer` is the content of tokenizer.json; `special` are the ids eos and pad. */
  constructor(tokenizer, special, maxTokens) {
    const { vocab, merges = [] } = tokenizer.model;
    this.#vocabulary = new Map(Object.entries(vocab));
    this.#ranks = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
    this.#special = special;
    this.#maxTokens = maxTokens;
  }

  get #readsFeatures() {
    return this.#vocabulary.has(UNKNOWN);
  }

  /** The ids of a prompt and the one that ends it, at most `maxTokens`; those of features with padding. */
  encode(text) {
    const { eos, pad } = this.#special;
    const ids = [...this.#idsOf(text).slice(0, this.#maxTokens - 1), eos];
    return this.#readsFeatures ? [...ids, ...Array(this.#maxTokens - ids.length).fill(pad)] : ids;
  }

  /** The number of ids that say what a prompt says, the end included: of features only the words count. */
  count(text) {
    return 1 + (this.#readsFeatures ? markedWords(text) : this.#idsOf(text)).length;
  }

  #idsOf(text) {
    if (this.#readsFeatures) {
      const unknown = this.#vocabulary.get(UNKNOWN);
      return textFeatures(text).map((feature) => this.#vocabulary.get(feature) ?? unknown);
    }
    const plain = ` ${strip(lowercase(text.normalize("NFC")))}`; // a prompt has some word
    const pieces = isolate(isolate([plain], HAN), WORDS);
    return pieces.flatMap((piece) => this.#merge(byteSymbols(piece))).map((part) => this.#vocabulary.get(part));
  }

  #merge(parts) {
    for (;;) {
      let [first, lowest] = [-1, Infinity];
      for (let place = 0; place + 1 < parts.length; place++) {
        const rank = this.#ranks.get(`${parts[place]} ${parts[place + 1]}`) ?? Infinity;
        if (rank < lowest) [first, lowest] = [place, rank];
      }
      if (first < 0) return parts;
      parts.splice(first, 2, parts[first] + parts[first + 1]);
    }
  }
}

/** The characters that stand for the bytes of a text in UTF-8: printable ones for themselves, then others. */
function byteSymbols(text) {
  return Array.from(new TextEncoder().encode(text), (byte) => BYTE_SYMBOLS[byte]);
}

const isPrintable = (byte) => (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
const BYTE_SYMBOLS = [];
for (let byte = 0, others = 256; byte < 256; byte++) {
  BYTE_SYMBOLS.push(String.fromCharCode(isPrintable(byte) ? byte : others++));
}

/** Words, pairs of neighboring words and parts of words of a prompt. */
function textFeatures(text) {
  const words = markedWords(text);
  const pairs = words.slice(1).map((word, place) => `${words[place]} ${word}`);
  return [...words, ...pairs, ...words.flatMap(partsOf)];
}

function markedWords(text) {
  const plain = lowercase(text.normalize("NFKC")).replace(/[,.;:](?=\p{White_Space}|$)/gu, " ");
  const pieces = isolate(isolate([plain], HAN), PUNCTUATION);
  return pieces.flatMap((piece) => piece.split(/\p{White_Space}+/u)).filter(Boolean).map((word) => `^${word}$`);
}

/** Runs of 3 to 5 characters of a word, but not the whole word. */
function partsOf(word) {
  const characters = Array.from(word);
  return PART_LENGTHS.filter((length) => length < characters.length).flatMap((length) =>
    Array.from({ length: characters.length - length + 1 }, (_, from) =>
      characters.slice(from, from + length).join(""),
    ),
  );
}
