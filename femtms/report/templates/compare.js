element("table-place").addEventListener("change", (event) => {
  for (const row of element("numbers").tBodies[0].rows) row.hidden = event.target.value !== "" && row.dataset.place !== event.target.value;
});

// --- plots -------------------------------------------------------------------------------------------------------

const rowsAt = (place) => data.rows.filter((row) => row.place === place);

function drawFocality(place) {
  const traces = rowsAt(place).map((row) => {
    const i = data.coils.indexOf(row.coil);
    return {
      type: "scatter", mode: "markers", name: shown(row.coil), x: [row.d_half_cm], y: [row.s_half_cm2],
      marker: { color: hue(i), symbol: symbols[i % symbols.length], size: 12, line: { width: 1, color: "#fff" } },
      hovertemplate: "d½ %{x:.2f} cm<br>S½ %{y:.1f} cm²<extra>%{fullData.name}</extra>",
    };
  });
  const spread = rowsAt(place).map((row) => row.s_half_cm2);
  const powers = [0.1, 0.2, 0.5, 1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 1000];
  const room = roomFor(data.coils, "focality");
  drawPlot("focality", traces, layout(`Depth and spread, ${shown(place)}`, { title: { text: "depth d½ (cm)" } }, {
    title: { text: "spread S½ (cm²)" }, type: "log", tickvals: powers, ticktext: powers.map(String),
    range: [Math.log10(0.7 * Math.min(...spread)), Math.log10(1.4 * Math.max(...spread))],
  }, { showlegend: true, height: room.height, margin: { l: 60, r: 15, t: 55, b: room.bottom } }));
}

function drawProfiles(place) {
  const traces = data.profiles.filter((profile) => profile.place === place).map((profile) => {
    const i = data.coils.indexOf(profile.coil);
    return {
      type: "scatter", mode: "lines", name: shown(profile.coil), x: profile.depth_mm, y: profile.E_V_per_m_per_A_per_us,
      line: { color: hue(i), dash: dashes[Math.floor(i / hues.length) % dashes.length], width: 2 },
      hovertemplate: "%{y:.3g} V/m at %{x:.1f} mm<extra>%{fullData.name}</extra>",
    };
  });
  const room = roomFor(data.coils, "profile");
  drawPlot("profile", traces, layout(`Depth profile at the peak, ${shown(place)}`,
    { title: { text: "depth in the brain (mm)" }, range: [0, 50] },
    { title: { text: "|E| (V/m for 1 A/µs)" }, rangemode: "tozero" },
    { showlegend: true, height: room.height, margin: { l: 60, r: 15, t: 55, b: room.bottom } }));
}

function drawStrength(key) {
  // light to dark in the order of the places: other hues than those of the coils
  const share = (i) => data.places.length < 2 ? 0 : i / (data.places.length - 1);
  const shade = (i) => `hsl(${Math.round(215 + 25 * share(i))} ${Math.round(25 + 20 * share(i))}% ${Math.round(78 - 46 * share(i))}%)`;
  const traces = data.places.map((place, i) => ({
    type: "bar", orientation: "h", name: shown(place), y: data.coils.map((_, c) => c),
    x: data.coils.map((coil) => data.rows.find((row) => row.coil === coil && row.place === place)[key]),
    marker: { color: shade(i), line: { width: 0.5, color: "#fff" } },
    customdata: data.coils.map(shown),
    hovertemplate: "%{customdata}: %{x:.3g} V/m<extra>%{fullData.name}</extra>",
  }));
  const unit = key === "E_brain_at_limit_V_per_m" ? "V/m at the limit" : "V/m for 1 A/µs";
  const room = roomFor(data.places, "strength");
  // lying bars leave the names of the coils their room in narrow windows; a bar takes 12 pixels, as does the gap
  const bars = 12 * data.coils.length * (data.places.length + 1);
  const narrow = element("strength").clientWidth < 600;
  const label = (name) => narrow ? shown(name.length > 16 ? name.slice(0, 7) + "…" + name.slice(-8) : name) : shown(name);
  drawPlot("strength", traces, layout("Field in the brain",
    { title: { text: `|E| (${unit})` }, rangemode: "tozero" },
    { tickvals: data.coils.map((_, c) => c), ticktext: data.coils.map(label), autorange: "reversed", zeroline: false },
    { showlegend: true, barmode: "group", bargap: 1 / (data.places.length + 1), legend: { ...legend, traceorder: "normal" },
      height: Math.max(bars, 120) + 55 + room.bottom, margin: { l: 60, r: 15, t: 55, b: room.bottom } }));
}

// --- the rotatable view ------------------------------------------------------------------------------------------

function bytes(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

function unpacked(surface) {
  const steps = new Int16Array(bytes(surface.nodes).buffer), faces = new Uint32Array(bytes(surface.faces).buffer);
  const column = (array, d, f) => Float32Array.from({ length: array.length / 3 }, (_, i) => f * array[3 * i + d]);
  const [x, y, z] = [0, 1, 2].map((d) => column(steps, d, surface.step_mm));
  const [i, j, k] = [0, 1, 2].map((d) => column(faces, d, 1));
  return { x, y, z, i, j, k };
}

function posed(pose, points) {
  return [0, 1, 2].map((d) => points.map((p) => p === null ? null :
    pose[d][0] * p[0] + pose[d][1] * p[1] + pose[d][2] * p[2] + pose[d][3]));
}

const scene = data.scene;
const brain = unpacked(scene.brain), scalp = unpacked(scene.scalp);
const colorscale = data.colours.map((colour, i) => [i / (data.colours.length - 1), colour]);

function sceneTraces() {
  const coil = element("scene-coil").value, place = element("scene-place").value;
  const now = scene.cases.find((one) => one.coil === coil && one.place === place);
  const of = scene.coils[data.coils.indexOf(coil)];
  const values = Float32Array.from(bytes(now.values), (q) => q / 255 * now.max);
  const own = element("scene-own").checked;
  const [lx, ly, lz] = posed(now.pose, of.lines.flatMap((line) => [...line, null]));
  const [dx, dy, dz] = posed(now.pose, of.dots);
  const [ax, ay, az] = posed(now.pose, [[0, 0, 0], [0, 45, 0]]);
  const ink = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  const none = { x: [], y: [], z: [], i: [], j: [], k: [] };
  let casing = none;
  if (of.casing) {
    const own = unpacked(of.casing);
    const [x, y, z] = posed(now.pose, Array.from(own.x, (_, i) => [own.x[i], own.y[i], own.z[i]]));
    casing = { ...own, x, y, z };
  }
  return [
    { type: "mesh3d", name: "brain", ...brain, intensity: values, colorscale, cmin: 0, cmax: own ? now.max : data.limit,
      colorbar: { title: { text: "|E| (V/m for 1 A/µs)", side: "right" }, len: 0.8, thickness: 14 },
      lighting: { ambient: 0.55, diffuse: 0.6, specular: 0.1, roughness: 0.8 }, lightposition: { x: -300, y: 200, z: 600 },
      hovertemplate: "%{intensity:.3g} V/m<br>(%{x:.0f}, %{y:.0f}, %{z:.0f}) mm<extra></extra>" },
    { type: "mesh3d", name: "scalp", ...scalp, color: "#c9a58f", opacity: 0.16, hoverinfo: "skip", flatshading: false,
      visible: element("scene-scalp").checked },
    { type: "mesh3d", name: "casing", ...casing, color: "#8fa3b5", opacity: 0.25, hoverinfo: "skip" },
    { type: "scatter3d", mode: "lines", name: "windings", x: lx, y: ly, z: lz, line: { color: ink, width: 4 },
      hoverinfo: "skip", showlegend: false },
    { type: "scatter3d", mode: "markers", name: "dipoles", x: dx, y: dy, z: dz, marker: { color: ink, size: 1.8 },
      hoverinfo: "skip", showlegend: false },
    { type: "scatter3d", mode: "lines+text", name: "y", x: ax, y: ay, z: az, text: ["", "y"], line: { color: "#0072B2", width: 7 },
      hoverinfo: "skip", showlegend: false },
  ];
}

function eyeOf(place) {
  // from the side of the coil, a little from above
  const pose = scene.cases.find((one) => one.place === place).pose;
  const out = [0, 1, 2].map((d) => -pose[d][2]);
  return { x: 1.3 * out[0] + 0.2, y: 1.3 * out[1] + 0.4, z: 1.3 * out[2] + 0.2 };
}

function drawScene(turn) {
  const axis = { visible: false, showspikes: false };
  const eye = eyeOf(element("scene-place").value);
  const now = element("scene").layout;
  const camera = turn || !now ? { eye, up: { x: 0, y: 0, z: 1 } } : now.scene.camera;
  const look = layout("", {}, {}, {
    margin: { l: 0, r: 0, t: 0, b: 0 },
    scene: { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "data", camera, dragmode: "orbit" },
  });
  delete look.title;
  return drawPlot("scene", sceneTraces(), look);
}

// --- all together ------------------------------------------------------------------------------------------------

function drawPlots() {
  drawFocality(element("plot-place").value);
  drawProfiles(element("plot-place").value);
  drawStrength(element("plot-strength").value);
}
element("plot-place").addEventListener("change", drawPlots);
element("plot-strength").addEventListener("change", drawPlots);
element("scene-coil").addEventListener("change", () => drawScene(false));
element("scene-place").addEventListener("change", () => drawScene(true));
for (const id of ["scene-own", "scene-scalp"]) element(id).addEventListener("change", () => drawScene(false));
let width = innerWidth;
addEventListener("resize", () => {  // the legends need other room
  if (innerWidth !== width) { width = innerWidth; drawPlots(); }
});
dark.addEventListener("change", () => { drawPlots(); drawScene(false); });
drawPlots();
drawScene(true).then(() => { document.documentElement.dataset.ready = "yes"; });
