// --- how plots look ----------------------------------------------------------------------------------------------

// plotly reads a little HTML in its texts; names are shown as they are, long ones not to their end
const cut = (text) => text.length > 26 ? text.slice(0, 25) + "…" : text;
const shown = (text) => cut(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

// Okabe & Ito's colours, told apart by all eyes; symbols and dashes tell more than seven coils apart
const hues = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#888888"];
const symbols = ["circle", "square", "diamond", "triangle-up", "cross", "x", "star", "triangle-down", "pentagon"];
const dashes = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const hue = (i) => hues[i % hues.length];
const dark = matchMedia("(prefers-color-scheme: dark)");
const options = {
  responsive: true, displaylogo: false, modeBarButtonsToRemove: ["lasso2d", "select2d"],
  displayModeBar: innerWidth > 640 ? "hover" : false,  // it would cover the titles
};

// the legend lies below the axis: room for its lines, of about so many pixels for each name
function roomFor(names, plot) {
  const longest = Math.max(...names.map((name) => cut(name).length));
  const each = 60 + 7.6 * longest;
  const lines = Math.ceil(names.length / Math.max(1, Math.floor((element(plot).clientWidth - 75) / each)));
  return { height: 370 + 20 * lines, bottom: 65 + 20 * lines };
}

const legend = { orientation: "h", x: 0, xanchor: "left", yref: "container", y: 0, yanchor: "bottom" };

function layout(title, x, y, more) {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--ink"), line = style.getPropertyValue("--line");
  const axis = (of) => ({ gridcolor: line, zerolinecolor: line, linecolor: ink, ticks: "outside", automargin: true, ...of });
  return {
    title: { text: title, font: { size: 15 }, x: 0.02, xanchor: "left" },
    font: { color: ink, family: "system-ui, sans-serif", size: 13 },
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", margin: { l: 60, r: 15, t: 55, b: 50 },
    legend,
    modebar: { bgcolor: "rgba(0,0,0,0)", color: line, activecolor: ink },
    xaxis: axis(x), yaxis: axis(y), ...more,
  };
}

// when the window's height changes, plotly takes that of the element in place of the layout's
function drawPlot(plot, traces, look) {
  const box = typeof plot === "string" ? element(plot) : plot;
  if (look.height) { box.style.height = box.style.minHeight = `${look.height}px`; }
  return Plotly.react(box, traces, look, options);
}
