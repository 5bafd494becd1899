// Make a photo as a camera held upright writes it: lying on its side, red left and blue right, with
// an Exif segment that says to turn it; shrink it and tell what is at its top, its bottom and in it.
async () => {
  const { shrink } = await import("/static/js/run/photos.js");
  const canvas = new OffscreenCanvas(40, 20);
  const pen = canvas.getContext("2d");
  [["red", 0], ["blue", 20]].forEach(([colour, left]) => { pen.fillStyle = colour; pen.fillRect(left, 0, 20, 20); });
  const plain = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg", quality: 1 })).arrayBuffer());
  const tiff = [0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
  const exif = [...new TextEncoder().encode("Exif"), 0, 0, ...tiff];
  const segment = [0xff, 0xe1, 0, exif.length + 2, ...exif];
  const file = new Blob([plain.subarray(0, 2), new Uint8Array(segment), plain.subarray(2)], { type: "image/jpeg" });
  const small = await shrink(file);
  const picture = await createImageBitmap(small);
  const shown = new OffscreenCanvas(picture.width, picture.height).getContext("2d");
  shown.drawImage(picture, 0, 0);
  const colour = (x, y) => { const [red, , blue] = shown.getImageData(x, y, 1, 1).data; return red > blue ? "red" : "blue"; };
  const said = new TextDecoder("latin1").decode(await small.arrayBuffer());
  return { size: [picture.width, picture.height], top: colour(10, 5), bottom: colour(10, 35), hasExif: said.includes("Exif") };
}
