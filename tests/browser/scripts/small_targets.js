// The targets that are smaller than they may be; links in running text are none.
(least) => [...document.querySelectorAll("a, button, input, select, textarea, summary, label.option")]
  .filter((one) => one.checkVisibility({ checkVisibilityCSS: true }) && one.type !== "radio")
  .filter((one) => !one.closest(".hide, .skip, dialog:not([open]), .how, .way"))
  .map((one) => [one.textContent.trim() || one.id, one.getBoundingClientRect()])
  .filter(([, box]) => box.width < least - 0.5 || box.height < least - 0.5)
  .map(([name, box]) => `${name} ${box.width}x${box.height}`)
