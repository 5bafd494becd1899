async ([run, count]) => {
  const { add } = await import("/static/js/run/outbox.js");
  for (let one = 0; one < count; one += 1) {
    await add(run, { kind: "noted", step: "", version: 1, by: "Kim", input: { note: `Number ${one}` } });
  }
}
