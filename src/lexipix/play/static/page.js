// The page: pictures appear while a prompt is typed.

import { fetchFile, Generator } from "./generator.js";
import { encodePng, toRgba } from "./png.js";
import { PromptChecks, PromptError, Suggestions } from "./prompts.js";
import { replaceWords, splitWords } from "./words.js";

const ENLARGED = 512; // pixels of an enlarged picture's side, about
const MAX_SEED = 2 ** 31 - 1;

const part = (id) => document.getElementById(id);

function element(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** Shows a text in a part of the page, which is hidden without one. */
function tell(id, text) {
  part(id).textContent = text;
  part(id).hidden = !text;
}

/** A button that changes the prompt. */
function chip(text, change) {
  const take = () => {
    part("prompt").value = change(part("prompt").value);
    part("prompt").focus();
    update();
  };
  return element("button", { type: "button", className: "chip", textContent: text, onclick: take });
}

function showSuggestions(prompt) {
  const captions = suggestions.find(prompt);
  part("suggestions").replaceChildren(...captions.map((caption) => chip(caption, () => caption)));
}

/** Marks the words of a prompt that the model never saw, each followed by the nearest ones that it did. */
function showUnknownWords(prompt) {
  const unknown = new Map(checks.unknownWords(prompt));
  if (!unknown.size) return part("words").replaceChildren();
  const label = element("span", { className: "label", textContent: "Words the model never saw: " });
  const marked = splitWords(prompt).flatMap((piece) => {
    const nearest = unknown.get(piece.toLowerCase());
    if (!nearest) return [piece];
    const mark = element("mark", { textContent: piece, title: "in no caption of the training" });
    const replace = (known) => (text) =>
      replaceWords(text, (word) => (word.toLowerCase() === piece.toLowerCase() ? known : word));
    return [mark, ...nearest.map((known) => chip(known, replace(known)))];
  });
  part("words").replaceChildren(label, ...marked);
}

/** The seed that is typed; a PromptError if it is none. */
function chosenSeed() {
  const text = part("seed").value;
  if (/^\d+$/.test(text) && Number(text) <= MAX_SEED) return Number(text);
  throw new PromptError(`The seed must be a whole number from 0 to ${MAX_SEED.toLocaleString("en")}.`);
}

async function draw() {
  const prompt = part("prompt").value;
  checks.checkLength(prompt); // before it is compared word by word
  showSuggestions(prompt);
  showUnknownWords(prompt);
  const { text, warning } = checks.check(prompt);
  const [seed, n] = [chosenSeed(), Number(part("count").value)];
  const start = performance.now();
  const pixels = await generator.draw(text, seed, n);
  const milliseconds = performance.now() - start;
  showPictures(pixels, text, seed, n);
  tell("warning", warning);
  const each = (milliseconds / n).toFixed(1);
  tell("note", `${generator.config.model}: ${each} ms for each picture, ${milliseconds.toFixed(0)} ms in all`);
}

function showPictures(pixels, text, seed, n) {
  const { image_size: size, image_channels: channels } = generator.config;
  const drawn = part("drawn");
  if (drawn.children.length !== n) {
    drawn.style.setProperty("--columns", Math.sqrt(n));
    drawn.replaceChildren(...Array.from({ length: n }, (_, index) => figure(index, size, channels)));
  }
  const length = size * size * channels;
  drawn.querySelectorAll("canvas").forEach((canvas, index) => {
    const rgba = toRgba(pixels.subarray(index * length, (index + 1) * length), channels);
    canvas.getContext("2d").putImageData(new ImageData(rgba, size), 0, 0);
    canvas.setAttribute("aria-label", `${text}, picture ${index + 1}`);
    Object.assign(canvas, { rgba, seed }); // for downloads
  });
}

function figure(index, size, channels) {
  const canvas = element("canvas", { width: size, height: size, role: "img" });
  const scales = [...new Set([1, Math.max(1, Math.floor(ENLARGED / size))])];
  const buttons = scales.map((scale) => {
    const name = `${scale * size}.png`;
    const onclick = async () =>
      save(await encodePng(canvas.rgba, channels, scale), `${canvas.seed}_${index}_${name}`);
    return element("button", { type: "button", textContent: `PNG ${scale * size}`, onclick });
  });
  return element("figure", {}, canvas, element("figcaption", {}, ...buttons));
}

function save(file, name) {
  const link = element("a", { href: URL.createObjectURL(file), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

let isWanted = false;
let isDrawing = false;

/** Draws what the inputs ask for; while that goes on, further changes wait for one more time. */
async function update() {
  isWanted = true;
  if (isDrawing) return;
  isDrawing = true;
  while (isWanted) {
    isWanted = false;
    await draw().then(() => tell("problem", ""), explain);
    await new Promise(requestAnimationFrame); // the browser shows it
  }
  isDrawing = false;
}

function explain(error) {
  part("drawn").replaceChildren();
  ["warning", "note"].forEach((id) => tell(id, ""));
  tell("problem", error.message);
  if (!(error instanceof PromptError)) console.error(error);
}

let generator, checks, suggestions;

async function open() {
  generator = await Generator.load();
  const { config, tokenizer } = generator;
  const limits = { maxTokens: config.max_tokens, maxChars: config.max_prompt_chars };
  checks = new PromptChecks(config.known_words, config.nearest_words, tokenizer, limits);
  suggestions = new Suggestions(await (await fetchFile("model/captions.json")).json());
  part("prompt").value ||= config.prompt;
  part("seed").value ||= config.seed;
  part("seed").max = MAX_SEED;
  for (const id of ["prompt", "count", "seed"]) part(id).addEventListener("input", update);
  part("another").addEventListener("click", () => {
    part("seed").value = Math.floor(Math.random() * MAX_SEED);
    update();
  });
  await update();
}

open().catch(explain);
