// Make a picture of noise, which no JPEG makes small, and shrink it; what came of it, and how large
// the best quality would have been.
async ([width, height]) => {
  const { shrink } = await import("/static/js/run/photos.js");
  const canvas = new OffscreenCanvas(width, height);
  const pen = canvas.getContext("2d");
  const pixels = pen.createImageData(width, height);
  const part = new Uint8Array(65_536);
  for (let at = 0; at < pixels.data.length; at += part.length) {
    pixels.data.set(crypto.getRandomValues(part).subarray(0, pixels.data.length - at), at);
  }
  pixels.data.forEach((value, at, all) => { all[at] = at % 4 === 3 || value > 127 ? 255 : 0; });
  pen.putImageData(pixels, 0, 0);
  const small = await shrink(await canvas.convertToBlob());
  const { width: wide, height: high } = await createImageBitmap(small);
  const best = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
  return { type: small.type, wide, high, size: small.size, best: best.size };
}
