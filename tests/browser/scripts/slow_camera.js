// A camera that takes its time to start again, longer than the page waits between two looks.
(() => {
  const start = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  let starts = 0;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await start(wanted);
    starts += 1;
    if (starts > 1) await new Promise((resolve) => { setTimeout(resolve, 600); });
    return stream;
  };
})();
