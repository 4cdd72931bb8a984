// Standard normal noise as NumPy draws it: default_rng([seed, index]).standard_normal(length, float32).
//
// A seed sequence (O'Neill 2015, https://www.pcg-random.org/posts/developing-a-seed_seq-alternative.html)
// makes the state of PCG64 (O'Neill 2014, XSL-RR), whose bits become numbers by the ziggurat method with 256
// strips (Marsaglia and Tsang 2000). The numbers are NumPy's to the last bit, but for those of the tail, which
// come from logarithms: one in 4,000.

const STRIPS = 256;
const EDGE = 3.6541528853610088; // where the tail begins
const AREA = 0.00492867323399; // of each strip
const SCALE = 2 ** 23; // of the integers that choose a place in a strip

const density = (x) => Math.exp(-0.5 * x * x);
const heights = new Float32Array(STRIPS);
const widths = new Float32Array(STRIPS); // by SCALE
const inside = new Uint32Array(STRIPS); // integers below are under the curve for sure
for (let strip = STRIPS - 1, x = EDGE; strip > 0; strip--) {
  heights[strip] = density(x);
  widths[strip] = x / SCALE;
  const next = strip > 1 ? Math.sqrt(-2 * Math.log(AREA / x + density(x))) : 0;
  inside[strip] = (next / x) * SCALE;
  x = next;
}
heights[0] = 1;
widths[0] = AREA / density(EDGE) / SCALE;
inside[0] = ((EDGE * density(EDGE)) / AREA) * SCALE;

/** Noise of an image: its number among the images of a seed, both below 2^32. Float32Array(length). */
export function sampleNoise(seed, index, length) {
  const bits = new Pcg64(seedWords([seed, index]));
  return Float32Array.from({ length }, () => sampleNormal(bits));
}

function sampleNormal(bits) {
  for (;;) {
    const word = bits.next();
    const strip = word & 0xff;
    const place = word >>> 9;
    const sign = word & 0x100 ? -1 : 1;
    const x = Math.fround(place * widths[strip]);
    if (place < inside[strip]) return sign * x;
    if (strip === 0) return (place & 0x100 ? -1 : 1) * sampleTail(bits);
    const height = (heights[strip - 1] - heights[strip]) * uniform(bits) + heights[strip];
    if (height < density(x)) return sign * x;
  }
}

function sampleTail(bits) {
  for (;;) {
    const beyond = -Math.log1p(-uniform(bits)) / EDGE;
    const y = -Math.log1p(-uniform(bits));
    if (2 * y > beyond * beyond) return EDGE + beyond;
  }
}

const uniform = (bits) => (bits.next() >>> 8) / 2 ** 24;

/** Eight 32-bit words from at most four numbers, which count as if zeros followed. */
function seedWords(numbers) {
  let constant = 0x43b0d7e5;
  const hash = (value) => {
    value ^= constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  };
  const mix = (a, b) => {
    const mixed = Math.imul(0xca01f9dd, a) - Math.imul(0x4973f715, b);
    return mixed ^ (mixed >>> 16);
  };
  const pool = Array.from({ length: 4 }, (_, place) => hash(numbers[place] ?? 0));
  for (let from = 0; from < 4; from++) {
    for (let to = 0; to < 4; to++) if (from !== to) pool[to] = mix(pool[to], hash(pool[from]));
  }
  constant = 0x8b51f9dd;
  return Uint32Array.from({ length: 8 }, (_, place) => {
    let value = pool[place % 4] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  });
}

class Pcg64 {
  static #MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
  #state = 0n;
  #increment;
  #kept = null; // the upper half of a 64-bit output, which comes after the lower one

  constructor(words) {
    const [high, low, incrementHigh, incrementLow] = new BigUint64Array(words.buffer);
    this.#increment = ((incrementHigh << 64n) | incrementLow) * 2n + 1n;
    this.#step();
    this.#state += (high << 64n) | low;
    this.#step();
  }

  /** A number below 2^32. */
  next() {
    if (this.#kept !== null) {
      const kept = this.#kept;
      this.#kept = null;
      return kept;
    }
    this.#step();
    const mixed = (this.#state >> 64n) ^ BigInt.asUintN(64, this.#state);
    const turn = this.#state >> 122n;
    const output = BigInt.asUintN(64, (mixed >> turn) | (mixed << (64n - turn)));
    this.#kept = Number(output >> 32n);
    return Number(output & 0xffffffffn);
  }

  #step() {
    this.#state = BigInt.asUintN(128, this.#state * Pcg64.#MULTIPLIER + this.#increment);
  }
}
