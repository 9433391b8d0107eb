// --- the numbers -------------------------------------------------------------------------------------------------

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const names = data.names;
const sizes = data.dims.map((dim) => names[dim].length);
const values = data.values.map((text) => new Float32Array(bytes(text).buffer));
const axisOf = (dim) => data.dims.indexOf(dim);
const nameOf = (dim, i) => typeof names[dim][i] === "number" ? String(+names[dim][i].toFixed(6)) : names[dim][i];
const digits = (x) => String(+x.toPrecision(4));

// one name of each dimension, from the best case of the first field; the angle of the map may be the best of each place
const start = data.best.find((best) => best !== null) || sizes.map(() => 0);
const now = { quantity: Math.max(0, data.best.findIndex((best) => best !== null)), mapAngle: null, lines: "coil" };
data.dims.forEach((dim, axis) => { now[dim] = start[axis]; });

function valueAt(at) {
  let index = 0;
  sizes.forEach((size, axis) => { index = index * size + at[axis]; });
  return values[now.quantity][index];
}

// the chosen case with other indices in some dimensions
const chosen = (other) => data.dims.map((dim) => dim in other ? other[dim] : now[dim]);

// the largest over the angles: [value, angle]; NaN where nothing is known
function bestAngle(other) {
  let best = [NaN, 0];
  for (let angle = 0; angle < names.angle.length; angle++) {
    const value = valueAt(chosen({ ...other, angle }));
    if (value > best[0] || (Number.isNaN(best[0]) && !Number.isNaN(value))) best = [value, angle];
  }
  return best;
}

// all values over places, angles and distances, sorted
function overPositions(other) {
  const found = [];
  const range = (dim) => dim in other ? [other[dim]] : names[dim].map((_, i) => i);
  for (const place of range("place")) for (const angle of range("angle")) for (const distance of range("distance")) {
    const value = valueAt(chosen({ ...other, place, angle, distance }));
    if (!Number.isNaN(value)) found.push(value);
  }
  return Float32Array.from(found).sort();
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1), low = Math.floor(at);
  return sorted[low] + (at - low) * (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]);
}

const quantity = () => data.quantities[now.quantity];
const fieldAxis = () => ({ title: { text: "|E| (V/m)" } });
const colorscale = data.colours.map((colour, i) => [i / (data.colours.length - 1), colour]);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);

// what the chosen names are, of the dimensions that have several
function chosenNames(dims) {
  return dims.filter((dim) => names[dim].length > 1)
    .map((dim) => shown(nameOf(dim, now[dim])) + (dim === "distance" ? " mm" : "")).join(", ");
}

// --- the map -----------------------------------------------------------------------------------------------------

const positions = data.map && new Int16Array(bytes(data.map.numbers).buffer);
const MANY = 1500;  // marks, from which they are too small for arrows

// x, y in mm, and where the coil's y and x point at angle 0, on the map; null where the position is not known
function positionOf(place) {
  const head = data.map.axes.length > 1 ? now.head : 0;
  const row = positions.subarray(6 * (head * names.place.length + place), 6 * (head * names.place.length + place) + 6);
  if (row.includes(-32768)) return null;
  return { x: row[0] / 10, y: row[1] / 10, along: [row[2] / 1e4, row[3] / 1e4], across: [row[4] / 1e4, row[5] / 1e4] };
}

function mapMarks() {
  const marks = [];
  names.place.forEach((name, place) => {
    const at = positionOf(place);
    if (at === null) return;
    const [value, angle] = now.mapAngle === null ? bestAngle({ place }) :
      [valueAt(chosen({ place, angle: now.mapAngle })), now.mapAngle];
    marks.push({ place, value, angle, ...at });
  });
  return marks;
}

// y of the coil turned by the angle is cos·y − sin·x of angle 0
function arrow(mark, length) {
  const turn = names.angle[mark.angle] * Math.PI / 180, c = Math.cos(turn), s = Math.sin(turn);
  let u = c * mark.along[0] - s * mark.across[0], v = c * mark.along[1] - s * mark.across[1];
  const size = Math.hypot(u, v) || 1;
  u *= length / size; v *= length / size;
  const tip = [mark.x + u / 2, mark.y + v / 2];
  const barb = (side) => [tip[0] - 0.3 * u - side * 0.18 * v, tip[1] - 0.3 * v + side * 0.18 * u];
  return [[mark.x - u / 2, mark.y - v / 2], tip, barb(1), tip, barb(-1)];
}

// the head around the map, or a small one above the colour bar where the places are a small part of it
function headLine(points, more) {
  const path = points.map(([x, y], i) => `${i ? "L" : "M"}${x},${y}`).join("");
  return { type: "path", path, layer: "below", line: { color: style("--soft"), width: 1.5 }, ...more };
}

const SMALL = 26;  // pixels from the middle of the small head to its nose
function smallHead() {
  const head = data.map.above[now.head];
  if (!head) return [];
  const at = { xref: "paper", yref: "paper", xsizemode: "pixel", ysizemode: "pixel", xanchor: 1, yanchor: 1, layer: "above" };  // beside the plot
  const moved = ([x, y]) => [(SMALL * x + SMALL + 12).toFixed(1), (SMALL * y - SMALL).toFixed(1)];
  const dots = head.dots.map(moved).map(([x, y]) => ({ type: "circle", x0: +x - 1, x1: +x + 1, y0: +y - 1, y1: +y + 1,
    fillcolor: "#D55E00", line: { width: 0 }, ...at }));
  return [...head.lines.map((line) => headLine(line.map(moved), { ...at, line: { color: style("--soft"), width: 1.2 } })), ...dots];
}

function drawMap() {
  if (!data.map) return;
  const marks = mapMarks(), known = marks.filter((mark) => !Number.isNaN(mark.value));
  const unknown = marks.filter((mark) => Number.isNaN(mark.value));
  const spacing = data.map.spacing || 10, pad = spacing;
  const span = (key) => [Math.min(...marks.map((m) => m[key])) - pad, Math.max(...marks.map((m) => m[key])) + pad];
  let [xs, ys] = marks.length ? [span("x"), span("y")] : [[-1, 1], [-1, 1]];
  const outline = data.map.outline[data.map.outline.length > 1 ? now.head : 0];
  const around = (range, d) => {
    const all = outline.flatMap((line) => line.map((point) => point[d]));
    return [Math.min(range[0], 1.04 * Math.min(...all)), Math.max(range[1], 1.04 * Math.max(...all))];
  };
  if (outline.length) [xs, ys] = [around(xs, 0), around(ys, 1)];
  const box = element("map"), high = 480;
  const scale = Math.min((box.clientWidth - 170) / (xs[1] - xs[0]), (high - 120) / (ys[1] - ys[0]));
  const size = Math.max(3, Math.min(44, 0.92 * spacing * scale));
  const type = "scatter";  // plotly's WebGL for many marks makes code from text, which the page's policy forbids
  const text = (mark) => shown(nameOf("place", mark.place));
  const lines = { x: [], y: [] };
  for (const mark of marks.length > MANY ? [] : known) {
    for (const [x, y] of [...arrow(mark, 0.72 * size / scale), [null, null]]) { lines.x.push(x); lines.y.push(y); }
  }
  const here = marks.filter((mark) => mark.place === now.place);
  const traces = [
    { type, mode: "markers", name: "field", x: known.map((m) => m.x), y: known.map((m) => m.y),
      marker: { color: known.map((m) => m.value), colorscale, size, symbol: data.map.mirrored ? "square" : "circle",
        colorbar: { title: { text: "|E| (V/m)", side: "right" }, thickness: 14, len: 0.78, y: 0, yanchor: "bottom" } },
      text: known.map(text), customdata: known.map((m) => [m.place, nameOf("angle", m.angle)]),
      hovertemplate: "%{text}<br>%{marker.color:.4g} V/m at %{customdata[1]}°<extra></extra>" },
    { type, mode: "markers", name: "not done or failed", x: unknown.map((m) => m.x), y: unknown.map((m) => m.y),
      marker: { color: "rgba(128,128,128,0.25)", size: 0.6 * size, symbol: "x-thin", line: { color: "#808080", width: 1.5 } },
      text: unknown.map(text), customdata: unknown.map((m) => [m.place]),
      hovertemplate: "%{text}<br>not done or failed<extra></extra>" },
    ...[["#ffffff", 3.5], ["#1a1a1a", 1.4]].map(([color, width]) => (
      { type, mode: "lines", name: "y of the coil", ...lines, line: { color, width }, hoverinfo: "skip" })),
    { type: "scatter", mode: "markers", name: "chosen", x: here.map((m) => m.x), y: here.map((m) => m.y), hoverinfo: "skip",
      marker: { color: "#56B4E9", size: size + 4, symbol: data.map.mirrored ? "square-open" : "circle-open",
        line: { width: 4 } } },
  ];
  const axes = data.map.axes[data.map.axes.length > 1 ? now.head : 0];
  const which = names.angle.length < 2 ? "" : now.mapAngle === null ? ", best angle" : `, ${nameOf("angle", now.mapAngle)}°`;
  const rest = chosenNames(["head", "conductivity", "option", "coil", "distance"]);
  const look = layout(`${shown(quantity())}${which}<br><span style="font-size: 12px">${rest}</span>`,
    { title: { text: axes[0] }, range: data.map.mirrored ? [xs[1], xs[0]] : xs, constrain: "domain", zeroline: false },
    { title: { text: axes[1] }, range: ys, scaleanchor: "x", constrain: "domain", zeroline: false },
    { showlegend: false, height: high, margin: { l: 60, r: 15, t: 70, b: 50 },
      shapes: outline.length ? outline.map((line) => headLine(line)) : smallHead() });
  drawPlot("map", traces, look);
  tellPlace();
}

function tellPlace() {
  const [value, angle] = bestAngle({ place: now.place });
  const where = nameOf("place", now.place);
  element("map-fact").textContent = Number.isNaN(value) ? `${where}: not done or failed.` :
    `${where}: ${quantity()} ${digits(value)} V/m` + (names.angle.length > 1 ? `, at its best angle ${nameOf("angle", angle)}°.` : ".")
    + " Choose another place in the map or in the list.";
}

// the list has the best places of the chosen names, and that which is chosen
const LISTED = 200;
function listPlaces() {
  const list = element("pick-place");
  if (!list) return;
  const ranked = names.place.map((_, place) => [bestAngle({ place })[0], place]);
  ranked.sort((a, b) => (Number.isNaN(a[0]) - Number.isNaN(b[0])) || b[0] - a[0] || a[1] - b[1]);
  const first = ranked.slice(0, LISTED).map(([, place]) => place);
  if (!first.includes(now.place)) first.push(now.place);
  list.replaceChildren(...first.map((place) => new Option(nameOf("place", place), place, false, place === now.place)));
  list.title = names.place.length > LISTED ? `the best ${LISTED} of ${names.place.length}` : "the best first";
}

// --- lines over angles and distances -----------------------------------------------------------------------------

const MOST_LINES = 14, MOST_BOXES = 60;

function lines(draw) {
  const dim = now.lines;
  return names[dim].slice(0, MOST_LINES).map((_, i) => {
    const line = { color: hue(i), dash: dashes[Math.floor(i / hues.length) % dashes.length], width: 2 };
    return { name: shown(nameOf(dim, i)), mode: "lines+markers", line, marker: { symbol: symbols[i % symbols.length], size: 7 },
      ...draw({ [dim]: i }) };
  });
}

function linesTitle(first, dims) {
  const more = names[now.lines].length > MOST_LINES ? `, ${MOST_LINES} of ${names[now.lines].length} lines` : "";
  const rest = chosenNames(dims.filter((dim) => dim !== now.lines));
  return `${first}${more}<br><span style="font-size: 12px">${shown(quantity())}${rest ? "; " + rest : ""}</span>`;
}

function drawPolar() {
  if (!element("polar")) return;
  const traces = lines((other) => ({
    type: "scatterpolar", theta: data.turn.map((angle) => names.angle[angle]),
    r: data.turn.map((angle) => valueAt(chosen({ ...other, angle }))),
    hovertemplate: "%{r:.4g} V/m at %{theta}<extra>%{fullData.name}</extra>",
  }));
  const ink = style("--ink"), line = style("--line");
  const room = roomFor(names[now.lines].slice(0, MOST_LINES), "polar");
  const look = layout(linesTitle("Field over the angle", ["head", "conductivity", "option", "coil", "place", "distance"]), {}, {}, {
    showlegend: names[now.lines].length > 1, height: room.height + 110, margin: { l: 50, r: 50, t: 95, b: room.bottom },
    polar: { bgcolor: "rgba(0,0,0,0)", radialaxis: { rangemode: "tozero", gridcolor: line, linecolor: ink, angle: 90, tickangle: 90 },
      angularaxis: { direction: "clockwise", rotation: 90, gridcolor: line, linecolor: ink, thetaunit: "degrees" } },
  });
  drawPlot("polar", traces, look);
}

function drawDistance() {
  if (!element("distance")) return;
  const traces = lines((other) => ({
    type: "scatter", x: names.distance, y: names.distance.map((_, distance) => bestAngle({ ...other, distance })[0]),
    hovertemplate: "%{y:.4g} V/m at %{x} mm<extra>%{fullData.name}</extra>",
  }));
  const first = names.angle.length > 1 ? "Field over the distance, best angle of each" : "Field over the distance";
  const room = roomFor(names[now.lines].slice(0, MOST_LINES), "distance");
  const look = layout(linesTitle(first, ["head", "conductivity", "option", "coil", "place"]),
    { title: { text: "distance from the scalp (mm)" } }, { ...fieldAxis(), rangemode: "tozero" },
    { showlegend: names[now.lines].length > 1, height: room.height + 20, margin: { l: 60, r: 15, t: 75, b: room.bottom } });
  drawPlot("distance", traces, look);
}

// --- boxes over positions ----------------------------------------------------------------------------------------

function drawBoxes(plot) {
  const dim = plot.dataset.dim, count = Math.min(names[dim].length, MOST_BOXES);
  const some = names[dim].slice(0, count).map((_, i) => i);
  const sorted = some.map((i) => overPositions({ [dim]: i }));
  const known = some.filter((i) => sorted[i].length);
  const of = (share) => known.map((i) => quantile(sorted[i], share));
  const traces = [{
    type: "box", orientation: "h", y: known, q1: of(0.25), median: of(0.5), q3: of(0.75), lowerfence: of(0), upperfence: of(1),
    line: { color: hue(0), width: 1.5 }, fillcolor: "rgba(0,114,178,0.25)", name: "", width: 0.6,
  }];
  const narrow = plot.clientWidth < 600;
  const label = (i) => {
    const name = nameOf(dim, i);
    return shown(narrow && name.length > 16 ? name.slice(0, 7) + "…" + name.slice(-8) : name);
  };
  const others = ["head", "conductivity", "option", "coil"].filter((other) => other !== dim);
  const more = count < names[dim].length ? `, the first ${count} of ${names[dim].length}` : "";
  const look = layout(`Each ${dim}${more}<br><span style="font-size: 12px">${shown(quantity())}; ${chosenNames(others) || "all positions"}</span>`,
    fieldAxis(), { tickvals: some, ticktext: some.map(label), range: [count - 0.5, -0.5], zeroline: false },
    { showlegend: false, height: 150 + Math.max(26 * count, 90), margin: { l: 60, r: 15, t: 75, b: 50 } });
  drawPlot(plot, traces, look);
}

function drawError() {
  if (!element("error")) return;
  const { edges, counts } = data.error;
  const middles = counts.map((_, i) => (edges[i] + edges[i + 1]) / 2);
  const traces = [{ type: "bar", x: middles, y: counts, width: edges[1] - edges[0], marker: { color: hue(0), line: { width: 0.5, color: "#fff" } },
    hovertemplate: "%{y} cases at about %{x:.3g} %<extra></extra>" }];
  drawPlot("error", traces, layout("Estimated error of E in grey matter", { title: { text: "relative error (%)" } },
    { title: { text: "cases" } }, { showlegend: false, height: 320, bargap: 0 }));
}

// --- all together ------------------------------------------------------------------------------------------------

function drawAll() {
  listPlaces();
  drawMap();
  drawPolar();
  drawDistance();
  document.querySelectorAll("[id^='boxes-']").forEach(drawBoxes);
  drawError();
}

function choosePlace(place) {
  now.place = place;
  listPlaces();
  drawMap();
  drawPolar();
  drawDistance();
}

function onChange(id, change, draw) {
  if (element(id)) element(id).addEventListener("change", (event) => { change(event.target.value); draw(); });
}
for (const dim of ["head", "conductivity", "option", "coil", "distance"]) {
  if (element(`pick-${dim}`)) element(`pick-${dim}`).value = String(now[dim]);
  onChange(`pick-${dim}`, (value) => { now[dim] = Number(value); }, drawAll);
}
if (element("pick-quantity")) element("pick-quantity").value = String(now.quantity);
onChange("pick-quantity", (value) => { now.quantity = Number(value); }, drawAll);
onChange("pick-angle", (value) => { now.mapAngle = value === "" ? null : Number(value); }, drawMap);
onChange("pick-place", (value) => { now.place = Number(value); }, () => choosePlace(now.place));
if (element("pick-lines")) now.lines = element("pick-lines").value;
onChange("pick-lines", (value) => { now.lines = value; }, () => { drawPolar(); drawDistance(); });
let width = innerWidth;
addEventListener("resize", () => {  // the legends need other room
  if (innerWidth !== width) { width = innerWidth; drawAll(); }
});
dark.addEventListener("change", drawAll);
drawAll();
if (data.map) element("map").on("plotly_click", (event) => {
  const place = event.points[0].customdata;
  if (place) choosePlace(place[0]);
});
document.documentElement.dataset.ready = "yes";
