// PNG files, and pixels for a canvas, of images with premultiplied colors: lexipix.utils.png and alpha.

/** Straight colors with alpha, Uint8ClampedArray(S * S * 4), from premultiplied ones or from opaque RGB. */
export function toRgba(pixels, channels) {
  const n = pixels.length / channels;
  const rgba = new Uint8ClampedArray(4 * n).fill(255);
  for (let pixel = 0; pixel < n; pixel++) {
    const alpha = channels === 4 ? pixels[4 * pixel + 3] : 255;
    for (let channel = 0; channel < 3; channel++) {
      const value = pixels[channels * pixel + channel];
      rgba[4 * pixel + channel] = alpha ? Math.floor((value * 255 + (alpha >> 1)) / alpha) : 0;
    }
    rgba[4 * pixel + 3] = alpha;
  }
  return rgba;
}

/** A PNG file of a square image, enlarged by a whole factor. A canvas would lose colors under alpha. */
export async function encodePng(rgba, channels, scale) {
  const size = Math.sqrt(rgba.length / 4);
  const side = size * scale;
  const length = 1 + channels * side; // each row begins with 0, for no filter
  const rows = new Uint8Array(side * length);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const from = 4 * (Math.floor(y / scale) * size + Math.floor(x / scale));
      rows.set(rgba.subarray(from, from + channels), y * length + 1 + channels * x);
    }
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  const content = new Uint8Array(await new Response(stream).arrayBuffer());
  const header = new Uint8Array(13);
  new DataView(header.buffer).setUint32(0, side);
  new DataView(header.buffer).setUint32(4, side);
  header.set([8, channels === 4 ? 6 : 2], 8); // bits of a channel, and the kind of colors
  const signature = Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10);
  const chunks = [chunk("IHDR", header), chunk("IDAT", content), chunk("IEND", new Uint8Array())];
  return new Blob([signature, ...chunks], { type: "image/png" });
}

function chunk(kind, content) {
  const bytes = new Uint8Array(12 + content.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  bytes.set(new TextEncoder().encode(kind), 4);
  bytes.set(content, 8);
  view.setUint32(8 + content.length, crc32(bytes.subarray(4, 8 + content.length)));
  return bytes;
}

function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}
