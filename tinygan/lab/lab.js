"use strict";
// The page of the lab. It draws what the server pushes and sends commands; nothing is computed here that a
// training needs. Where REPLAY is not null there is no server, and the page scrubs through what was saved.

// ---- tools --------------------------------------------------------------------------------------

const $ = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") || "";

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// The numbers of a packed array; server and replay send 16-bit integers and their scale.
function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.i2), (c) => c.charCodeAt(0));
  return Float32Array.from(new Int16Array(bytes.buffer), (v) => v * packed.scale);
}

function text(value, digits = 4) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? String(+value.toPrecision(digits)) : String(value);
}

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

// 256 colors from the first of these to the last, as [r, g, b].
function palette(...names) {
  const stops = names.map((name) => (name[0] === "#" ? name : color(name)))
    .map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const k = Math.min(Math.floor(at), stops.length - 2);
    return stops[k].map((v, j) => v + (stops[k + 1][j] - v) * (at - k));
  });
}

// A picture of so many pixels as a canvas; paint(x, y) returns [r, g, b].
function pixels(width, height, paint) {
  const image = new ImageData(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i += 4) {
      const rgb = paint(x, y);
      image.data[i] = rgb[0];
      image.data[i + 1] = rgb[1];
      image.data[i + 2] = rgb[2];
      image.data[i + 3] = 255;
    }
  }
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

// ---- the server ---------------------------------------------------------------------------------

let hello = null; // what never changes
let state = null; // what was pushed last
const abouts = {}; // of each run: its data, its box, its arrays
let override = null; // pictures of slow motion, shown in place of the newest

async function ask(command, values = {}) {
  if (REPLAY) return {};
  try {
    const answer = await fetch(`/do/${command}`, {
      method: "POST", headers: { "X-Token": token }, body: JSON.stringify(values),
    });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error);
    return said;
  } catch (error) {
    say(error instanceof TypeError ? "The lab has been closed: start tinygan lab again." : error.message);
    return null;
  }
}

function say(message) {
  $("said").textContent = message || "";
}

// At most one such command is on its way; of those that come meanwhile only the newest is sent.
function latest(command, after) {
  let busy = false;
  let waiting = null;
  return async function send(values) {
    if (busy) {
      waiting = values;
      return;
    }
    busy = true;
    const answer = await ask(command, values);
    busy = false;
    if (answer && after) after(answer);
    if (waiting) {
      const next = waiting;
      waiting = null;
      send(next);
    }
  };
}

async function receive(message) {
  for (const run of message.shown) {
    if (abouts[run.name] && abouts[run.name].id === run.id) continue;
    const about = await ask("about", { name: run.name });
    if (!about || about.id !== run.id) return; // it was closed meanwhile: another message is on its way
    abouts[run.name] = { ...about, points: about.real && unpack(about.real) };
  }
  state = message;
  if (state.said) say(state.said);
  showWeights();
  show();
}

const dataOf = (name) => state.runs.find((run) => run.name === name).data;

// ---- what is shown ------------------------------------------------------------------------------

const LAYERS = [
  ["surface", "D's surface", "▒", "seen-real"], ["real", "data", "●", "real"], ["fakes", "fakes", "▲", "fake"],
  ["arrows", "pushes on fakes", "→", "fake"], ["grid", "net of latents", "#", "grid"],
  ["averaged", "fakes of the EMA", "■", "average"],
];
const visible = { surface: true, real: true, fakes: true, arrows: true, grid: false, averaged: false };

function show() {
  const main = state.shown[0];
  const images = !abouts[main.name].box;
  document.body.className = (images ? "pictures" : "points") + (REPLAY ? " replay" : "");
  showViews();
  showSummary(main);
  $("play").textContent = state.playing ? "❚❚ Pause" : "▶ Play";
  const scrub = $("scrub");
  scrub.min = main.first;
  scrub.max = main.last;
  if (document.activeElement !== scrub || state.playing) scrub.value = main.step;
  if (document.activeElement !== $("go")) $("go").value = main.step;
  showCharts(images);
  showRuns();
  showChoices(main);
  showChallenge();
  if (images && document.activeElement !== $("view")) $("view").value = state.view.kind;
  if (REPLAY || (state.playing && performance.now() - askedAgain < 400)) return;
  askedAgain = performance.now();
  if ($("layer-box").open) sendLayers({});
  if (cursor.x !== null && !images) askPoint({ x: cursor.x, y: cursor.y });
}

let askedAgain = 0; // when the numbers that a page asks for were asked for last, in milliseconds

function showSummary(main) {
  const [, quality, captured] = main.measured[main.measured.length - 1] || [];
  const means = main.losses.means[main.losses.means.length - 1];
  const parts = [`${dataOf(main.name)}, run ${main.name}, step ${main.step.toLocaleString("en")} of ${text(main.end, 8)}`];
  if (means) parts.push(`loss of D ${text(means[0], 3)}, of G ${text(means[2], 3)}`);
  if (quality !== undefined && quality !== null) {
    parts.push(abouts[main.name].box ? `${text(captured)} modes, ${text(100 * quality, 3)} % of high quality`
      : `Fréchet distance ${text(quality, 3)}, ${text(captured)} classes`);
  }
  if (main.players !== "both") parts.push(`only ${main.players} learns`);
  if (pace.rate && state.playing) parts.push(`${Math.round(pace.rate).toLocaleString("en")} steps a second, ${text(pace.pictures, 2)} pictures`);
  $("summary").textContent = parts.join(" · ");
}

const pace = { rate: 0, pictures: 0, since: 0, step: 0, count: 0 };

function measurePace() {
  pace.count += 1;
  const now = performance.now();
  const main = state.shown[0];
  if (now - pace.since < 1000) return;
  const seconds = (now - pace.since) / 1000;
  pace.rate = state.playing && seconds < 3 ? Math.max(0, (main.step - pace.step) / seconds) : 0;
  pace.pictures = pace.count / seconds;
  Object.assign(pace, { since: now, step: main.step, count: 0 });
}

function showViews() {
  const views = $("views");
  while (views.children.length > state.shown.length) views.lastChild.remove();
  while (views.children.length < state.shown.length) {
    const canvas = element("canvas", { width: 640, height: 640, tabIndex: 0 });
    listen(canvas);
    views.append(element("figure", {}, element("figcaption"), canvas));
  }
  state.shown.forEach((run, i) => {
    const [caption, canvas] = views.children[i].children;
    const picture = (i === 0 && override) || run.picture;
    const note = picture.images || picture.tints ? drawImages(canvas, run, picture) : drawPoints(canvas, run, picture);
    caption.textContent = `Run ${run.name}${differences(run, state.shown[1 - i])}, step ${run.step.toLocaleString("en")}${note}`;
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${caption.textContent}. ${$("summary").textContent}`);
  });
}

// What a run has otherwise than the one beside it, " (penalty none)".
function differences(run, other) {
  if (!other) return "";
  const found = Object.keys(run.choices).filter((name) => run.choices[name] !== other.choices[name]);
  return found.length ? ` (${found.map((name) => `${name} ${run.choices[name] || "none"}`).join(", ")})` : "";
}

// ---- points -------------------------------------------------------------------------------------

function mapping(canvas, [low, high]) {
  const scale = canvas.width / (high - low);
  return {
    x: (v) => (v - low) * scale,
    y: (v) => canvas.height - (v - low) * scale,
    back: (px, py) => [low + px / scale, low + (canvas.height - py) / scale],
  };
}

function drawPoints(canvas, run, picture) {
  const about = abouts[run.name];
  const context = canvas.getContext("2d");
  const to = mapping(canvas, about.box);
  context.fillStyle = color("paper");
  context.fillRect(0, 0, canvas.width, canvas.height);
  let note = visible.surface ? drawSurface(context, picture) : "";
  if (visible.grid) drawGrid(context, to, picture.grid);
  if (visible.real) {
    marks(context, to, about.points, color("real"), (x, y) => context.arc(x, y, 2.6, 0, 7));
  }
  if (visible.averaged && picture.averaged) {
    marks(context, to, unpack(picture.averaged), color("average"), (x, y) => context.rect(x - 2.5, y - 2.5, 5, 5));
  }
  const fakes = unpack(picture.fakes);
  if (visible.arrows) note += drawArrows(context, to, fakes, unpack(picture.arrows));
  if (visible.fakes) {
    marks(context, to, fakes, color("fake"), (x, y) => {
      context.moveTo(x, y - 4.5);
      context.lineTo(x + 4, y + 3);
      context.lineTo(x - 4, y + 3);
      context.closePath();
    });
  }
  drawCursor(context, to);
  return note;
}

function marks(context, to, points, fill, shape) {
  context.fillStyle = fill;
  context.strokeStyle = color("paper");
  context.lineWidth = 0.8;
  for (let i = 0; i < points.length; i += 2) {
    context.beginPath();
    shape(to.x(points[i]), to.y(points[i + 1]));
    context.fill();
    context.stroke();
  }
}

// D's scores, from 0 (sure: fake) to 1; stretched, since near the end of a game D is hardly ever sure.
function drawSurface(context, picture) {
  const side = picture.surface.shape[0];
  const values = unpack(picture.surface);
  const colors = palette("seen-fake", "paper", "seen-real");
  const stretch = 127 / values.reduce((most, score) => Math.max(most, Math.abs(score - 0.5)), 0.01);
  const small = pixels(side, side, (x, y) => colors[Math.round(127.5 + stretch * (values[(side - 1 - y) * side + x] - 0.5))]);
  // The first and last values are at the very edge of the box, so half a pixel lies beyond it.
  const half = context.canvas.width / (side - 1) / 2;
  context.imageSmoothingEnabled = true;
  context.drawImage(small, -half, -half, context.canvas.width + 2 * half, context.canvas.height + 2 * half);
  return `, D says ${picture.scores.map((score) => text(score, 2)).join(" to ")}`;
}

function drawGrid(context, to, packed) {
  const [rows, columns] = packed.shape;
  const values = unpack(packed);
  const at = (r, c) => [to.x(values[2 * (r * columns + c)]), to.y(values[2 * (r * columns + c) + 1])];
  context.strokeStyle = color("grid");
  context.lineWidth = 1;
  context.beginPath();
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (c + 1 < columns) context.moveTo(...at(r, c)), context.lineTo(...at(r, c + 1));
      if (r + 1 < rows) context.moveTo(...at(r, c)), context.lineTo(...at(r + 1, c));
    }
  }
  context.stroke();
}

function drawArrows(context, to, points, arrows) {
  let longest = 0;
  for (let i = 0; i < arrows.length; i += 2) longest = Math.max(longest, Math.hypot(arrows[i], arrows[i + 1]));
  if (!longest) return ", no push on any fake";
  const scale = 0.09 * context.canvas.width / longest; // pixels for a push of 1
  context.strokeStyle = color("fake");
  context.lineWidth = 1.3;
  context.beginPath();
  for (let i = 0; i < points.length; i += 2) {
    const [x, y] = [to.x(points[i]), to.y(points[i + 1])];
    const [dx, dy] = [arrows[i] * scale, -arrows[i + 1] * scale];
    context.moveTo(x, y);
    context.lineTo(x + dx, y + dy);
    context.lineTo(x + 0.75 * dx - 0.15 * dy, y + 0.75 * dy + 0.15 * dx);
    context.moveTo(x + dx, y + dy);
    context.lineTo(x + 0.75 * dx + 0.15 * dy, y + 0.75 * dy - 0.15 * dx);
  }
  context.stroke();
  return `, longest push ${text(longest, 2)}`;
}

// ---- images -------------------------------------------------------------------------------------

function drawImages(canvas, run, picture) {
  const [height, width, colors = 1] = abouts[run.name].shape;
  const packed = picture.images || picture.tints;
  const values = unpack(packed);
  const [count, size] = packed.shape;
  const columns = Math.round(Math.sqrt(count));
  const most = values.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-12);
  const tones = picture.tints ? palette("#0072b2", "#ffffff", "#d55e00") : palette("#000000", "#ffffff");
  const tone = picture.tints ? (v) => tones[Math.round(127.5 + 127 * Math.max(-1, Math.min(1, (1.5 * v) / most)))]
    : (v) => tones[Math.round(255 * v)];
  const small = pixels(columns * width, Math.ceil(count / columns) * height, (x, y) => {
    const n = Math.floor(y / height) * columns + Math.floor(x / width);
    const i = n * size + colors * ((y % height) * width + (x % width));
    if (n >= count) return tones[0];
    return colors === 3 ? [tone(values[i])[0], tone(values[i + 1])[1], tone(values[i + 2])[2]] : tone(values[i]);
  });
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = false;
  context.fillStyle = color("paper");
  context.fillRect(0, 0, canvas.width, canvas.height);
  const scale = Math.min(canvas.width / small.width, canvas.height / small.height);
  context.drawImage(small, 0, 0, small.width * scale, small.height * scale);
  return picture.tints ? `, strongest push on a pixel ${text(most, 2)}` : "";
}

// ---- curves -------------------------------------------------------------------------------------

function chart(canvas, title, lines) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (!width) return;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  context.fillStyle = color("paper");
  context.fillRect(0, 0, width, height);
  const drawn = lines.filter((line) => line.ys.some((y) => y !== null));
  const ys = drawn.flatMap((line) => [...line.ys, line.landmark]).filter((y) => y !== null && y !== undefined);
  const xs = drawn.flatMap((line) => line.xs);
  const [low, high] = [Math.min(...ys), Math.max(...ys, Math.min(...ys) + 1e-6)];
  const last = Math.max(1, ...xs);
  const [left, top, right, bottom] = [52, 20, width - 8, height - 18];
  const px = (x) => left + ((right - left) * x) / last;
  const py = (y) => bottom - ((bottom - top) * (y - low)) / (high - low);
  context.font = "12px system-ui, sans-serif";
  context.fillStyle = color("dim");
  context.fillText(drawn.length ? title : `${title}: nothing yet`, 6, 13);
  if (drawn.length) {
    context.fillText(text(high, 3), 6, top + 9);
    context.fillText(text(low, 3), 6, bottom);
    context.fillText("0", left, height - 4);
    context.fillText(last.toLocaleString("en"), right - 40, height - 4);
  }
  let at = 8 + context.measureText(title).width + 14;
  for (const line of drawn) {
    context.strokeStyle = context.fillStyle = color(line.color);
    context.lineWidth = 1.6;
    context.setLineDash(line.dash || []);
    context.beginPath();
    line.ys.forEach((y, i) => y !== null && context.lineTo(px(line.xs[i]), py(y)));
    context.stroke();
    if (line.ys.length === 1 && line.ys[0] !== null) context.fillRect(px(line.xs[0]) - 2, py(line.ys[0]) - 2, 4, 4);
    if (line.landmark !== null && line.landmark !== undefined) {
      context.lineWidth = 0.9;
      context.setLineDash([3, 4]);
      context.beginPath();
      context.moveTo(left, py(line.landmark));
      context.lineTo(right, py(line.landmark));
      context.stroke();
    }
    context.setLineDash([]);
    context.fillText(`${line.mark} ${line.label}`, at, 13);
    at += context.measureText(`${line.mark} ${line.label}`).width + 12;
  }
  const values = drawn.map((line) => `${line.label} ${text(line.ys[line.ys.length - 1], 3)}` +
    (line.landmark === null || line.landmark === undefined ? "" : ` (landmark ${text(line.landmark, 3)})`));
  canvas.setAttribute("aria-label", `${title}: ${values.join(", ")}`);
  canvas.title = values.join(", ");
}

function showCharts(images) {
  const of = (column, label, name, landmark, mark) => state.shown.map((run, i) => ({
    label: state.shown.length > 1 ? `${label} (${run.name})` : label, color: name, dash: i ? [6, 4] : [],
    mark: i ? "╌" : mark, landmark: i ? null : landmark, xs: run.losses.steps, ys: run.losses.means.map((row) => row[column]),
  }));
  const measured = (column, label, name, factor, mark) => state.shown.map((run, i) => ({
    label: state.shown.length > 1 ? `${label} (${run.name})` : label, color: name, dash: i ? [6, 4] : [], mark: i ? "╌" : mark,
    landmark: i || run.floor[column - 1] === null ? null : factor * run.floor[column - 1], xs: run.measured.map((row) => row[0]),
    ys: run.measured.map((row) => (row[column] === null ? null : factor * row[column])),
  }));
  const [dLoss, gLoss, score] = state.shown[0].landmarks;
  const penalties = of(1, "penalty", "grid", null, "━").filter((line) => line.ys.some((y) => y));
  chart($("loss-chart"), "Loss", [...of(0, "of D", "real", dLoss, "━"), ...of(2, "of G", "fake", gLoss, "━"), ...penalties]);
  chart($("score-chart"), "Mean score", [...of(3, "of data", "real", score, "━"), ...of(4, "of fakes", "fake", null, "━")]);
  if (images) chart($("quality-chart"), "Quality", measured(1, "Fréchet distance", "average", 1, "━"));
  else chart($("quality-chart"), "Quality", [...measured(1, "high quality, %", "average", 100, "━")]);
}

// ---- runs, choices, changes -----------------------------------------------------------------------

// What is rebuilt only when it is different, so that a focused control is not lost.
const built = {};
function rebuild(id, key, make) {
  const now = JSON.stringify(key);
  if (built[id] === now) return;
  built[id] = now;
  $(id).replaceChildren(...make());
}

function showRuns() {
  rebuild("runs", [state.runs.map((run) => [run.name, run.data, state.playing || run.last]), state.name, state.other], () =>
    state.runs.map((run) => element("div", { className: "row" },
      element("b", { textContent: run.name }),
      element("span", { textContent: state.playing ? run.data : `${run.data}, ${run.last.toLocaleString("en")} steps`, className: "dim" }),
      ...(REPLAY ? [] : [
        element("button", { textContent: "show", disabled: run.name === state.name, title: `show run ${run.name}`, onclick: () => ask("show", { name: run.name }) }),
        run.name === state.other
          ? element("button", { textContent: "not beside", title: "show one run alone", onclick: () => ask("compare", { name: "" }) })
          : element("button", { textContent: "beside", disabled: run.name === state.name, title: `show run ${run.name} beside the other`, onclick: () => ask("compare", { name: run.name }) }),
        element("button", { textContent: "close", disabled: state.runs.length < 2, title: `forget run ${run.name}`, onclick: () => ask("close", { name: run.name }) }),
      ]))));
  const main = state.shown[0];
  rebuild("changes", main.changes, () => main.changes.length
    ? ["Changed: ", ...main.changes.map(([step, name, value]) => `step ${step.toLocaleString("en")}: ${name} = ${value || "none"}; `)]
    : ["Nothing was changed on the way."]);
  $("command").textContent = main.command || "(drawn data have no name on the command line: save a replay)";
}

function buildChoices() {
  const row = (choice) => {
    const input = choice.names
      ? element("select", {}, ...choice.names.map((name) => element("option", { textContent: name, value: name })))
      : element("input", { type: "text" });
    input.id = `choice-${choice.name}`;
    input.setAttribute("aria-label", `${choice.name}: ${choice.help}`);
    input.onchange = () => ask("change", { name: choice.name, text: input.value }).then((done) => done || showChoices(state.shown[0], true));
    return element("tr", { title: choice.help }, element("td", {}, choice.name + (choice.live ? " •" : "")), element("td", {}, input),
      element("td", { className: "help", textContent: choice.help }));
  };
  const players = { name: "players", help: "who learns from here on", names: hello.players, live: true };
  $("choices").replaceChildren(...[players, ...hello.choices].map(row));
}

function showChoices(main, force = false) {
  if (REPLAY) return;
  for (const [name, value] of Object.entries({ ...main.choices, players: main.players })) {
    const input = $(`choice-${name}`);
    if (force || document.activeElement !== input || input.tagName === "SELECT") {
      input.value = input.tagName === "SELECT" ? value.toLowerCase() : value;
    }
  }
}

// ---- slow motion ----------------------------------------------------------------------------------

let slow = null; // {sources, lines, pictures, at}
let slowTimer = null;

async function startSlow() {
  const done = await ask("slow");
  if (!done || !done.lines) return;
  slow = { ...done, at: 0 };
  $("slow-panel").hidden = false;
  const stages = [];
  slow.lines.forEach(([, , stage], i) => / (forward|loss|backward|penalty|update)$/.test(stage) && !stages.some((s) => s.stage === stage) && stages.push({ stage, i }));
  $("stages").replaceChildren(...stages.map(({ stage, i }) => element("button", { textContent: stage, onclick: () => goLine(i) })));
  goLine(0);
}

function goLine(i) {
  slow.at = Math.max(0, Math.min(slow.lines.length - 1, i));
  const [key, number, stage, picture, arrays] = slow.lines[slow.at];
  const source = slow.sources[key];
  $("slow-where").textContent = `${stage}: ${source.name} in ${source.file}, line ${number} (${slow.at + 1} of ${slow.lines.length} lines of this step)`;
  const lines = source.text.replace(/\n$/, "").split("\n");
  $("source").replaceChildren(...lines.map((line, j) => element("span", { textContent: `${source.first + j}  ${line}`, className: source.first + j === number ? "now" : "" })));
  const now = $("source").querySelector(".now");
  if (now) $("source").scrollTop = now.offsetTop - $("source").offsetTop - 120;
  for (const button of $("stages").children) button.setAttribute("aria-current", button.textContent === stage);
  $("arrays").replaceChildren(element("tr", {}, ...["array", "shape", "norm"].map((name) => element("th", { textContent: name }))),
    ...Object.entries(arrays).map(([name, [shape, norm]]) => element("tr", {}, ...[name, shape, norm === null ? "" : text(norm)].map((t) => element("td", { textContent: t })))));
  override = slow.pictures[picture];
  showViews();
}

function playLines() {
  if (slowTimer) {
    clearInterval(slowTimer);
    slowTimer = null;
  } else {
    slowTimer = setInterval(() => (slow && slow.at < slow.lines.length - 1 ? goLine(slow.at + 1) : playLines()), 400);
  }
  $("line-play").textContent = slowTimer ? "❚❚ hold" : "▶ by itself";
}

function endSlow() {
  if (slowTimer) playLines();
  slow = override = null;
  $("slow-panel").hidden = true;
  showViews();
}

// ---- the cursor: numbers at a point, and drawing ---------------------------------------------------

const cursor = { x: null, y: null };
const drawing = { on: false, down: false, points: [] };

const askPoint = latest("at", (answer) => {
  const lines = Object.entries(answer).map(([name, at]) => `${name}: logit ${text(at.logit)}, score ${text(at.score)}, ` +
    `∂D/∂x (${at.slope.map((v) => text(v, 3)).join(", ")}), push on a fake here (${at.force.map((v) => text(v, 3)).join(", ")})`);
  if (cursor.x !== null) $("at").textContent = `At (${text(cursor.x, 3)}, ${text(cursor.y, 3)}), ${lines.join(" · ")}`;
});

function moveCursor(x, y) {
  Object.assign(cursor, { x, y });
  askPoint({ x, y });
  showViews();
}

function addPoint() {
  if (!drawing.on || cursor.x === null) return;
  drawing.points.push([cursor.x, cursor.y]);
  $("draw-count").textContent = `${drawing.points.length} points`;
  showViews();
}

function drawCursor(context, to) {
  marks(context, to, drawing.points.flat(), color("good"), (x, y) => context.arc(x, y, 4, 0, 7));
  if (cursor.x === null) return;
  const [x, y] = [to.x(cursor.x), to.y(cursor.y)];
  context.strokeStyle = color("ink");
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(x - 9, y), context.lineTo(x + 9, y), context.moveTo(x, y - 9), context.lineTo(x, y + 9);
  context.stroke();
}

function listen(canvas) {
  const place = (event) => {
    const box = abouts[state.shown[0].name].box;
    if (!box) return false;
    const area = canvas.getBoundingClientRect();
    const to = mapping(canvas, box);
    moveCursor(...to.back((event.clientX - area.left) * canvas.width / area.width, (event.clientY - area.top) * canvas.height / area.height));
    return true;
  };
  canvas.onpointermove = (event) => place(event) && drawing.down && addPoint();
  canvas.onpointerdown = (event) => {
    drawing.down = drawing.on;
    if (place(event)) addPoint();
  };
  canvas.onpointerup = canvas.onpointerleave = () => (drawing.down = false);
  canvas.onkeydown = (event) => {
    const box = abouts[state.shown[0].name].box;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!box || !(move || event.key === "Enter")) return;
    event.preventDefault();
    event.stopPropagation();
    const unit = (box[1] - box[0]) / 40;
    const middle = (box[0] + box[1]) / 2;
    if (move) moveCursor((cursor.x ?? middle) + unit * move[0], (cursor.y ?? middle) + unit * move[1]);
    else addPoint();
  };
}

// ---- weights and layers -----------------------------------------------------------------------------

function showWeights() {
  const arrays = abouts[state.name] && abouts[state.name].weights[$("w-player").value];
  if (!arrays) return;
  rebuild("w-name", arrays, () => arrays.map(([name, shape, layer]) => element("option", { value: name, textContent: `${name} of ${layer}, ${shape.join("×")}` })));
}

async function askWeight() {
  const [player, name, index] = [$("w-player").value, $("w-name").value, Number($("w-index").value)];
  const said = await ask("weight", { player, name, index });
  if (!said) return;
  $("w-said").textContent = `${player}'s ${name}[${said.at.join(", ")}] = ${text(said.value, 6)}; L = ${text(said.loss, 6)}; ` +
    `derivative ${text(said.derivative, 8)}, measured ${text(said.measured, 8)}, relative error ${text(said.error, 2)}`;
}

function bars(histogram) {
  if (!histogram) return element("td", { textContent: "–", className: "dim" });
  const most = Math.max(...histogram.counts);
  const bar = element("span", { className: "bar" }, ...histogram.counts.map((n) => element("i", { style: `height:${n ? 2 + 24 * n / most : 0}px` })));
  const said = `${text(histogram.low, 2)} … ${text(histogram.high, 2)}, mean ${text(histogram.mean, 2)}, norm ${text(histogram.norm, 2)}`;
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", said);
  return element("td", {}, bar, element("div", { textContent: said, className: "dim" }));
}

const sendLayers = latest("layers", (answer) => {
  const head = element("tr", {}, ...["layer", "out", "slope", "gradient of W"].map((t) => element("th", { textContent: t })));
  const rows = Object.entries(answer).flatMap(([player, layers]) => layers.map((layer, i) => element("tr", {},
    element("td", { textContent: `${player}.${i} ${layer.layer}${layer.units ? `, never on: ${layer.dead} of ${layer.units} units` : ""}` }),
    bars(layer.out), bars(layer.slope), bars(layer.dW))));
  $("layer-table").replaceChildren(head, ...rows);
});

// ---- challenges ---------------------------------------------------------------------------------------

function buildChallenges() {
  $("challenge").replaceChildren(...Object.entries(hello.challenges).map(([name, c]) => element("option", { value: name, textContent: c.title })));
  const wanted = location.hash.slice(1);
  if (hello.challenges[wanted]) {
    $("challenge").value = wanted;
    $("challenge-box").open = true;
  }
}

function showChallenge() {
  if (REPLAY) return;
  const name = $("challenge").value;
  const asked = hello.challenges[name];
  const going = state.challenge && state.challenge.name === name ? state.challenge : null;
  rebuild("question", [name, going], () => {
    const options = asked.choices.map((choice, i) => element("label", { style: "display:block" },
      element("input", { type: "radio", name: "choice", value: i, checked: going ? going.choice === i : false }), ` ${choice}`));
    const run = element("button", { id: "challenge-run", textContent: `Predict, and run ${asked.until.toLocaleString("en")} steps`, onclick: () => {
      const chosen = $("question").querySelector("input:checked");
      if (chosen) ask("challenge", { name, choice: Number(chosen.value) });
      else say("Choose an answer first.");
    } });
    const answer = element("p", { id: "answer" });
    answer.setAttribute("role", "status");
    if (going && going.right === undefined) answer.append("running …");
    else if (going) {
      const right = going.right === going.choice;
      answer.append(element("span", { className: right ? "good" : "bad", textContent: right ? "✔ As you said: " : "✘ Otherwise: " }),
        `${asked.choices[going.right]}. ${going.numbers} Why: lessons/${asked.lesson}.md.`);
    }
    return [element("p", { textContent: asked.question }), ...options, run, answer];
  });
}

// ---- controls -----------------------------------------------------------------------------------------

const go = latest("goto");

function play() {
  if (override) endSlow();
  say("");
  if (REPLAY) return playReplay();
  ask(state.playing ? "pause" : "play", state.playing ? {} : { speed: Number($("speed").value) });
}

function command(name, values) {
  return () => {
    if (override) endSlow();
    say("");
    if (REPLAY) return name === "goto" && goReplay(values().step);
    return ask(name, values ? values() : {});
  };
}

const back = command("goto", () => ({ step: REPLAY ? replayStep(-1) : state.shown[0].step - 1 }));
const steps = {
  step: command("step"), "step-d": command("step", () => ({ players: "D" })), "step-g": command("step", () => ({ players: "G" })),
  back, branch: command("branch"), slow: () => { say(""); startSlow(); },
};

function saveReplay() {
  if (!REPLAY) $("save").click();
}

const KEYS = {
  " ": play, ArrowRight: () => (REPLAY ? goReplay(replayStep(1)) : steps.step()), ArrowLeft: back, d: steps["step-d"], g: steps["step-g"],
  s: steps.slow, b: steps.branch, r: saveReplay, Escape: () => slow && endSlow(), ",": () => slow && goLine(slow.at - 1),
  ".": () => slow && goLine(slow.at + 1), ";": () => slow && playLines(), Home: command("goto", () => ({ step: state.shown[0].first })),
  End: command("goto", () => ({ step: state.shown[0].last })), "?": () => ($("help").open = !$("help").open),
};

function toggle(layer) {
  visible[layer] = !visible[layer];
  $(`layer-${layer}`).checked = visible[layer];
  showViews();
}

function control() {
  for (const [layer, label, sign, name] of LAYERS) {
    const box = element("input", { type: "checkbox", id: `layer-${layer}`, checked: visible[layer], onchange: () => toggle(layer) });
    const swatch = element("span", { className: "swatch", textContent: sign, style: `color:var(--${name})` });
    $("layers").append(element("label", {}, box, " ", swatch, ` ${label}`));
  }
  for (const [id, run] of Object.entries(steps)) $(id).onclick = run;
  $("play").onclick = play;
  $("speed").onchange = () => state.playing && ask("play", { speed: Number($("speed").value) });
  $("scrub").oninput = () => (REPLAY ? goReplay(Number($("scrub").value)) : go({ step: Number($("scrub").value) }));
  $("go").onchange = command("goto", () => ({ step: Number($("go").value) }));
  $("data").onchange = () => { if ($("data").value) ask("data", { name: $("data").value }); $("data").value = ""; };
  $("save").href = `/replay?token=${encodeURIComponent(token)}`;
  $("view").onchange = $("direction").onchange = () => ask("view", { kind: $("view").value, direction: Number($("direction").value) });
  $("line-back").onclick = KEYS[","];
  $("line-on").onclick = KEYS["."];
  $("line-play").onclick = KEYS[";"];
  $("slow-end").onclick = KEYS.Escape;
  $("w-player").onchange = showWeights;
  $("w-ask").onclick = askWeight;
  $("challenge").onchange = showChallenge;
  $("layer-box").ontoggle = () => $("layer-box").open && sendLayers({});
  $("draw-on").onchange = () => (drawing.on = $("draw-on").checked);
  $("draw-clear").onclick = () => { drawing.points = []; $("draw-count").textContent = "0 points"; showViews(); };
  $("draw-train").onclick = async () => {
    if (!(await ask("draw", { points: drawing.points }))) return;
    $("draw-on").checked = drawing.on = false;
    $("draw-clear").click();
  };
  document.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /INPUT|SELECT|TEXTAREA/.test(event.target.tagName)) return;
    if (event.key === " " && /BUTTON|SUMMARY/.test(event.target.tagName)) return; // it presses them
    const layer = LAYERS[Number(event.key) - 1];
    const action = layer && event.key !== " " ? () => toggle(layer[0]) : KEYS[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  };
  matchMedia("(prefers-color-scheme: dark)").onchange = () => state && show();
  window.onresize = () => state && show();
}

// ---- a replay -------------------------------------------------------------------------------------------

let replayTimer = null;

function replayStep(move) {
  const all = REPLAY.runs[0].moments.map((moment) => moment.step);
  const i = Math.max(0, all.findLastIndex((step) => step <= state.shown[0].step));
  return all[Math.max(0, Math.min(all.length - 1, i + move))];
}

function goReplay(step) {
  const shown = REPLAY.runs.map(({ end, moments }) => {
    const moment = moments.findLast((each) => each.step <= step) || moments[0];
    const seen = end.losses.steps.filter((each) => each <= moment.step).length;
    const losses = { steps: end.losses.steps.slice(0, seen), means: end.losses.means.slice(0, seen) };
    return { ...end, ...moment, losses, last: end.step, measured: end.measured.filter((row) => row[0] <= moment.step) };
  });
  state = { ...REPLAY.state, playing: replayTimer !== null, shown };
  show();
}

function playReplay() {
  if (replayTimer) {
    clearInterval(replayTimer);
    replayTimer = null;
  } else {
    const end = state.shown[0].last;
    if (state.shown[0].step >= end) goReplay(0);
    replayTimer = setInterval(() => (state.shown[0].step < end ? goReplay(replayStep(1)) : playReplay()), 180);
  }
  goReplay(state.shown[0].step);
}

// ---- begin ------------------------------------------------------------------------------------------------

async function begin() {
  control();
  if (REPLAY) {
    hello = REPLAY.hello;
    for (const run of REPLAY.runs) abouts[run.end.name] = { ...run.about, points: run.about.real && unpack(run.about.real) };
    goReplay(Infinity);
    return;
  }
  hello = await ask("hello");
  if (!hello) return;
  buildChoices();
  buildChallenges();
  $("view").replaceChildren(...hello.views.map((name) => element("option", { textContent: name, value: name })));
  let newest = null;
  let busy = false;
  const events = new EventSource(`/events?token=${encodeURIComponent(token)}`);
  events.onmessage = async (event) => {
    newest = event.data;
    if (busy) return;
    busy = true;
    while (newest) {
      const message = newest;
      newest = null;
      await receive(JSON.parse(message));
      measurePace();
      await new Promise((done) => setTimeout(done, 0));
    }
    busy = false;
  };
  events.onerror = () => say("The lab does not answer: if it was closed, start tinygan lab again.");
  events.onopen = () => say("");
}

begin();
