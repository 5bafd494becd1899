// Text of a runbook: the server made safe HTML of it; here it is taken over tag by tag all the
// same, so that a kept pack that somebody tampered with can do nothing.

const TAGS = new Set(["P", "B", "STRONG", "I", "EM", "CODE", "PRE", "UL", "OL", "LI", "BR", "A", "BLOCKQUOTE",
  "TABLE", "THEAD", "TBODY", "TR", "TH", "TD", "HR", "SPAN", "DEL", "SUP", "SUB"]);
const ADDRESSES = /^(https?:|mailto:|tel:|\/(?!\/)|#)/i;

function taken(node) {
  if (node.nodeType === Node.TEXT_NODE) return [document.createTextNode(node.data)];
  if (node.nodeType !== Node.ELEMENT_NODE) return [];
  const inside = [...node.childNodes].flatMap(taken);
  if (!TAGS.has(node.tagName)) return ["SCRIPT", "STYLE"].includes(node.tagName) ? [] : inside;
  const element = document.createElement(node.tagName);
  if (node.tagName === "A" && ADDRESSES.test(node.getAttribute("href") ?? "")) {
    element.href = node.getAttribute("href");
    element.rel = "noreferrer";
    // The run stays open behind what is looked up.
    if (!/^(tel|mailto):/.test(element.href)) element.target = "_blank";
  }
  element.append(...inside);
  return [element];
}

/** The nodes of a runbook's HTML. */
export function markup(html) {
  if (!html) return [];
  const parsed = new DOMParser().parseFromString(html, "text/html");
  return [...parsed.body.childNodes].flatMap(taken);
}

/** Markup without its paragraphs, for a place in a line. */
export function inline(html) {
  return markup(html).flatMap((node) => (node.nodeName === "P" ? [...node.childNodes, document.createTextNode(" ")] : [node]));
}

/** The same as plain text, for where no markup can stand. */
export function plain(html) {
  return html ? new DOMParser().parseFromString(html, "text/html").body.textContent.trim() : "";
}
