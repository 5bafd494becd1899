// Says of the page whether its camera is on.
{
  const tracks = [];
  const tell = () => {
    const isOn = tracks.some((one) => one.readyState === "live");
    document.documentElement.dataset.camera = isOn ? "on" : "off";
  };
  const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await ask(wanted);
    for (const track of stream.getTracks()) {
      tracks.push(track);
      track.stop = () => { MediaStreamTrack.prototype.stop.call(track); tell(); };
    }
    tell();
    return stream;
  };
}
