// Keep so many photos for the next entry at a step, each of another colour.
async ([run, step, count]) => {
  const { keep } = await import("/static/js/run/photos.js");
  for (let one = 0; one < count; one += 1) {
    const canvas = new OffscreenCanvas(8, 8);
    const pen = canvas.getContext("2d");
    pen.fillStyle = `hsl(${one * 30} 100% 50%)`;
    pen.fillRect(0, 0, 8, 8);
    await keep(run, step, await canvas.convertToBlob());
  }
}
