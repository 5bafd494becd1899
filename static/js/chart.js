// Charts: figures that the page holds as JSON, drawn when they come into view.
//
// `<div data-chart="ID">` is drawn from the JSON in the element with that id. Plotly is loaded
// with the first chart that is seen, never before. The words and the table beside a chart say
// the same, so that a page whose chart fails is still whole.

const CONFIG = { displayModeBar: false, responsive: false, showTips: false, scrollZoom: false };
const VARIABLE = /^var\((--[\w-]+)\)$/;
const NEAR = "200px";

/** Elements that are in view, and what was last drawn in each element ever drawn. */
const inView = new Set();
const drawn = new Map();

let plotly = null;

function load() {
  plotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = document.querySelector("script[data-plotly]").dataset.plotly;
    script.onload = () => {
      // A chart's data leave this server for nobody: no button that uploads them.
      window.Plotly.setPlotConfig({ showSendToCloud: false, plotlyServerURL: "", displaylogo: false });
      resolve(window.Plotly);
    };
    script.onerror = () => {
      plotly = null;
      reject(new Error("plotly was not loaded"));
    };
    document.head.append(script);
  });
  return plotly;
}

/** Put the page's colours in place of the names of custom properties. */
function coloured(value, style) {
  if (typeof value === "string") {
    const name = VARIABLE.exec(value)?.[1];
    return name ? style.getPropertyValue(name).trim() : value;
  }
  if (Array.isArray(value)) return value.map((item) => coloured(item, style));
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, coloured(item, style)]));
  }
  return value;
}

/** Create the chart, or put the new figure in place of the old one. */
async function replace(element) {
  const source = document.getElementById(element.dataset.chart)?.textContent;
  const style = getComputedStyle(document.documentElement);
  // The same figure in other colours is another picture.
  const wanted = `${style.getPropertyValue("--raised")}${source}`;
  if (!source || drawn.get(element) === wanted) return;
  drawn.set(element, wanted);
  try {
    const library = await load();
    if (!element.isConnected) return;
    const figure = coloured(JSON.parse(source), style);
    await library.react(element, figure.data, figure.layout, CONFIG);
    element.removeAttribute("data-failed");
  } catch {
    drawn.delete(element);
    element.setAttribute("data-failed", "");
  }
}

/** Forget a chart whose element left the page. */
function destroy(element) {
  inView.delete(element);
  drawn.delete(element);
  sights.unobserve(element);
  sizes.unobserve(element);
  window.Plotly?.purge(element);
}

function refresh() {
  if (document.hidden) return;
  for (const element of inView) replace(element);
}

const sights = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) inView.add(entry.target);
      else inView.delete(entry.target);
    }
    refresh();
  },
  { rootMargin: NEAR },
);

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    if (target.classList.contains("js-plotly-plot") && target.clientWidth > 0) window.Plotly.Plots.resize(target);
  }
});

/** Take up the charts that came onto the page and drop those that left it. */
function survey() {
  for (const element of drawn.keys()) {
    if (!element.isConnected) destroy(element);
  }
  for (const element of document.querySelectorAll("[data-chart]")) {
    sights.observe(element);
    sizes.observe(element);
  }
  refresh();
}

survey();
document.addEventListener("htmx:after:swap", survey);
document.addEventListener("visibilitychange", refresh);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
new MutationObserver(refresh).observe(document.documentElement, { attributeFilter: ["data-theme"] });
