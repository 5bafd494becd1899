// Making elements: text stays text, handlers are functions, nothing is parsed.

/** Make an element. `facts` are properties where there is one, `on…` handlers, else attributes. */
export function h(name, facts = {}, ...inside) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(facts)) {
    if (value === undefined || value === null || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "class") element.className = value;
    else if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...inside.flat(9).filter((one) => one !== null && one !== undefined && one !== false));
  return element;
}

/** One mark of the sprite; a word always stands by it. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", `icon ${name}`);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `${document.documentElement.dataset.icons}#${name}`);
  svg.append(use);
  return svg;
}

/** Put `inside` in place of what an element holds. */
export function fill(element, ...inside) {
  element.replaceChildren(...inside.flat(9).filter(Boolean));
}

/** The element of this id; it is in the page's template. */
export function at(id) {
  return document.getElementById(id);
}
