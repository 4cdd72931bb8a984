// An exported generator in ONNX Runtime, as lexipix.inference.onnx_generator runs it.

import * as ort from "./onnxruntime/ort.wasm.bundle.min.mjs";
import { Memory, readArrays } from "./memory.js";
import { sampleNoise } from "./noise.js";
import { Tokenizer } from "./tokenization.js";

ort.env.wasm.numThreads = 1; // several need headers that a plain file server does not send

const MAX_CACHED = 256; // encoded prompts that are kept

/** A file of the page's folder; an Error with a sentence if it cannot be had. */
export async function fetchFile(name) {
  const answer = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!answer?.ok) throw new Error(`The file ${name} could not be loaded: serve the whole folder, and reload.`);
  return answer;
}

const floats = (values, ...shape) => new ort.Tensor("float32", Float32Array.from(values), shape);
const integers = (values, ...shape) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), shape);

/** A tensor (n, …) with n times what a tensor (1, …) holds. */
function repeated(tensor, n) {
  const values = new tensor.data.constructor(n * tensor.data.length);
  for (let row = 0; row < n; row++) values.set(tensor.data, row * tensor.data.length);
  return new ort.Tensor(tensor.type, values, [n, ...tensor.dims.slice(1)]);
}

/** Draws images of prompts. */
export class Generator {
  #sessions;
  #memory;
  #cache = new Map();

  /** Loads the model in the folder `model` of the page. */
  static async load() {
    const config = await (await fetchFile("model/config.json")).json();
    const names = config.retrieval ? ["read", "rank", "draw"] : ["read", "draw"];
    const [tokenizer, arrays, ...graphs] = await Promise.all([
      fetchFile("model/tokenizer.json").then((answer) => answer.json()),
      config.retrieval && fetchFile("model/memory.safetensors").then((answer) => answer.arrayBuffer()),
      ...names.map((name) => fetchFile(`model/${name}.onnx`).then((answer) => answer.arrayBuffer())),
    ]);
    const options = { executionProviders: ["wasm"], logSeverityLevel: 3 };
    const sessions = {};
    for (const [place, name] of names.entries()) {
      sessions[name] = await ort.InferenceSession.create(graphs[place], options);
    }
    return new Generator(config, tokenizer, sessions, arrays);
  }

  constructor(config, tokenizer, sessions, arrays) {
    this.config = config;
    this.tokenizer = new Tokenizer(tokenizer, config.special_ids, config.max_tokens);
    this.#sessions = sessions;
    if (config.retrieval) {
      const { n_neighbors: nNeighbors, temperature } = config.retrieval;
      const retrieval = { noiseDim: config.noise_dim, nNeighbors, temperature };
      this.#memory = new Memory(readArrays(arrays), config.special_ids.pad, retrieval);
    }
  }

  /** The first `n` images of a prompt with a seed: { pixels: Uint8Array(n * S * S * C) }. */
  async draw(prompt, seed, n) {
    const encoded = await this.#encode(prompt);
    const noise = Array.from({ length: n }, (_, index) => sampleNoise(seed, index, this.config.noise_dim));
    const inputs = this.#memory ? await this.#neighbors(encoded, noise) : this.#withNoise(encoded, noise);
    const { pixels } = await this.#sessions.draw.run(inputs, ["pixels"]);
    return pixels.data;
  }

  /** What a prompt decides without noise; it is kept, since a prompt comes again with another seed. */
  async #encode(prompt) {
    const kept = this.#cache.get(prompt) ?? (await this.#read(prompt));
    this.#cache.delete(prompt);
    this.#cache.set(prompt, kept);
    if (this.#cache.size > MAX_CACHED) this.#cache.delete(this.#cache.keys().next().value);
    return kept;
  }

  async #read(prompt) {
    const ids = this.tokenizer.encode(prompt);
    const read = await this.#sessions.read.run({ ids: integers(ids, 1, ids.length) });
    if (!this.#memory) return read;
    return this.#memory.search(this.#memory.words(ids), read.query.data, (found) => this.#rank(found));
  }

  async #rank({ query, words, keys, keyWords, vectors, similarities }) {
    const n = keys.length;
    const { scores } = await this.#sessions.rank.run({
      query: floats(query, 1, query.length),
      words: integers(words, 1, words.length),
      keys: floats(joined(keys), 1, n, query.length),
      key_words: integers(keyWords.flat(), 1, n, keyWords[0].length),
      vectors: floats(joined(vectors), 1, n, query.length),
      similarities: floats(similarities, 1, n),
    });
    return scores.data;
  }

  #withNoise(encoded, noise) {
    const parts = Object.entries(encoded).map(([name, tensor]) => [name, repeated(tensor, noise.length)]);
    return { ...Object.fromEntries(parts), noise: floats(joined(noise), noise.length, noise[0].length) };
  }

  async #neighbors(found, noise) {
    const { image_size: size, image_channels: channels, retrieval } = this.config;
    const n = noise.length;
    const k = retrieval.n_neighbors;
    const chosen = noise.flatMap((row) => this.#memory.choose(found, row));
    const images = await Promise.all(chosen.map((place) => this.#memory.image(found.rows[place])));
    const pick = (list) => chosen.map((place) => list[place]);
    return {
      query: repeated(floats(found.query, 1, found.query.length), n),
      words: repeated(integers(found.words, 1, found.words.length), n),
      keys: floats(joined(pick(found.keys)), n, k, found.query.length),
      key_words: integers(pick(found.keyWords).flat(), n, k, found.keyWords[0].length),
      neighbors: new ort.Tensor("uint8", joined(images), [n, k, size, size, channels]),
    };
  }
}

/** Typed arrays one after the other. */
function joined(arrays) {
  const values = new arrays[0].constructor(arrays.length * arrays[0].length);
  arrays.forEach((array, row) => values.set(array, row * array.length));
  return values;
}
