// The training images that prompts retrieve, as lexipix.models.neighbor_memory and onnx_memory search them.

const TYPES = { U8: Uint8Array, I8: Int8Array, I16: Int16Array, I32: Int32Array };
const IDF_SCALE = 32767; // of the rarities of tokens
const WORD_LIMIT = 0.65; // of the cosine of words
const MAX_WORDS = 64; // different ones of a caption
const MAX_SIMILARITY = WORD_LIMIT + 2; // larger: the caption is the same
const SAME_BONUS = 10; // added to the similarity of an image whose caption has the same words
const SAME_LOGIT = 100; // added to its score
const SAME = 0.999; // cosine of words from which two captions have the same

/** The arrays of a safetensors file by name: { shape, values }. */
export function readArrays(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, length)));
  delete header.__metadata__;
  const read = ({ dtype, shape, data_offsets: [start, end] }) => ({
    shape,
    values: new TYPES[dtype](buffer.slice(8 + length + start, 8 + length + end)),
  });
  return Object.fromEntries(Object.entries(header).map(([name, entry]) => [name, read(entry)]));
}

/** The images of a model that retrieves and edits. */
export class Memory {
  #arrays;
  #textKeys; // unit vectors of the different wordings
  #imageKeys;
  #dimension;
  #idf;
  #wordSets; // different words of each wording
  #wordLengths; // of their vectors of rarities
  #width; // words of the longest first wording
  #pad;
  #options;
  #images = new Map();

  /** `options` are noiseDim, nNeighbors and temperature. */
  constructor(arrays, pad, options) {
    this.#arrays = Object.fromEntries(Object.entries(arrays).map(([name, { values }]) => [name, values]));
    this.#dimension = arrays.text_keys.shape[1];
    this.#textKeys = unitVectors(this.#arrays.text_keys, this.#dimension);
    this.#imageKeys = unitVectors(this.#arrays.image_keys, this.#dimension);
    this.#idf = Float32Array.from(this.#arrays.idf, (value) => value / IDF_SCALE);
    let end = 0;
    this.#wordSets = Array.from(this.#arrays.token_counts, (n) => this.#arrays.tokens.subarray(end, (end += n)));
    this.#wordLengths = this.#wordSets.map((words) => this.#length(words));
    this.#pad = pad;
    this.#options = options;
    this.#width = this.#arrays.starts.reduce((most, start) => Math.max(most, this.#wordsOf(start).length), 1);
  }

  get size() {
    return this.#arrays.starts.length;
  }

  get #nFound() {
    return Math.min(this.#options.noiseDim, this.size);
  }

  /** The different words among the ids of a prompt. */
  words(ids) {
    const known = [...new Set(ids)].filter((id) => this.#idf[id] > 0);
    return known.sort((a, b) => a - b).slice(0, MAX_WORDS);
  }

  /** What a prompt retrieves, by its words and its vector. `rank` gives logits of that. */
  async search(words, query, rank) {
    const similarities = this.#similarities(words, query);
    const order = similarities.map((_, row) => row).sort((a, b) => similarities[b] - similarities[a]);
    const rows = order.slice(0, this.#nFound).sort((a, b) => a - b); // noise belongs to places in this order
    const wordings = rows.map((row) => this.#arrays.starts[row]);
    const found = {
      query,
      words: padded(words, MAX_WORDS, this.#pad),
      rows,
      keys: wordings.map((start) => vector(this.#textKeys, this.#arrays.wordings[start], this.#dimension)),
      keyWords: wordings.map((start) => padded(this.#wordsOf(start), this.#width, this.#pad)),
      vectors: rows.map((row) => vector(this.#imageKeys, row, this.#dimension)),
      similarities: rows.map((row) => Math.min(similarities[row], MAX_SIMILARITY)),
    };
    const logits = await rank(found);
    const isSame = rows.map((row) => similarities[row] > MAX_SIMILARITY);
    return { ...found, scores: isSame.map((same, place) => logits[place] + (same ? SAME_LOGIT : 0)) };
  }

  /** The images that noise chooses among those found: their places, the one to edit first. */
  choose(found, noise) {
    const { nNeighbors, temperature } = this.#options;
    const scores = found.scores.map((score, place) => Math.fround(score + temperature * noise[place]));
    const order = scores.map((_, place) => place).sort((a, b) => scores[b] - scores[a]);
    return Array.from({ length: nNeighbors }, (_, rank) => order[Math.min(rank, order.length - 1)]);
  }

  /** The pixels of an image, Uint8Array(S * S * C). */
  async image(row) {
    if (!this.#images.has(row)) {
      const { packed, ends } = this.#arrays;
      const stream = new Blob([packed.subarray(row ? ends[row - 1] : 0, ends[row])]).stream();
      const pixels = await new Response(stream.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
      this.#images.set(row, new Uint8Array(pixels));
    }
    return this.#images.get(row);
  }

  #wordsOf(start) {
    return this.#wordSets[this.#arrays.wordings[start]];
  }

  #length(words) {
    return norm(Array.from(words, (word) => this.#idf[word]));
  }

  /** How well each image fits a prompt: a sum of three cosines, of several wordings the best. */
  #similarities(words, query) {
    const { starts, wordings } = this.#arrays;
    const asked = new Set(words);
    const length = this.#length(words);
    const byWording = this.#wordSets.map((own, wording) => {
      let shared = 0;
      for (const word of own) if (asked.has(word)) shared += this.#idf[word] ** 2;
      shared /= Math.max(this.#wordLengths[wording] * length, 1e-9);
      const bonus = shared > SAME ? SAME_BONUS : 0;
      return dot(this.#textKeys, wording, query) + Math.min(shared, WORD_LIMIT) + bonus;
    });
    return Array.from(starts, (start, row) => {
      let best = -Infinity;
      const end = starts[row + 1] ?? wordings.length;
      for (let place = start; place < end; place++) best = Math.max(best, byWording[wordings[place]]);
      return Math.fround(best + dot(this.#imageKeys, row, query));
    });
  }
}

const vector = (vectors, row, dimension) => vectors.subarray(row * dimension, (row + 1) * dimension);

const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));

function dot(vectors, row, query) {
  const start = row * query.length;
  let sum = 0;
  for (let place = 0; place < query.length; place++) sum += vectors[start + place] * query[place];
  return sum;
}

/** Vectors of unit length from 8-bit ones. */
function unitVectors(quantized, dimension) {
  const vectors = Float32Array.from(quantized);
  for (let start = 0; start < vectors.length; start += dimension) {
    const length = Math.max(norm(vectors.subarray(start, start + dimension)), 1);
    for (let place = start; place < start + dimension; place++) vectors[place] /= length;
  }
  return vectors;
}

const padded = (ids, length, pad) => [...ids, ...Array(length - ids.length).fill(pad)];
