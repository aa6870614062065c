// Axes: where a value stands, and round ticks.

function scale(values, { log = false, zero = false, stretched = false, whole = false, from = 0, to = 1 } = {}) {
  const finite = values.filter((value) => known(value) && (!log || value > 0)).map((value) => (stretched ? Math.min(value, 1) : value));
  let low = finite.length ? Math.min(...finite) : 0;
  let high = finite.length ? Math.max(...finite) : 1;
  if (zero) low = Math.min(0, low);
  // A percent more accuracy is worth more where few errors are left: nearly the logarithm of the error.
  const at = stretched ? stretch : log ? Math.log10 : (value) => value;
  let [a, b] = [at(low), at(high)];
  const room = b - a > 1e-12 * Math.max(1, Math.abs(a)) ? 0.05 * (b - a) : Math.max(0.01 * Math.abs(a), log ? 0.05 : 0.01);
  a = zero && low === 0 ? a : a - room;
  b += room;
  const place = (value) => from + ((to - from) * (at(value) - a)) / (b - a);
  return { place, ticks: stretched ? percents(a, b) : log ? powers(a, b) : round(a, b, whole), log };
}

const stretch = (accuracy) => -Math.log(Math.max(1.01 - accuracy, 0.001));

// Round accuracies first, and others where there is room between them.
function percents(a, b) {
  const ticks = [];
  for (const step of [20, 10, 5, 2, 1, 0.5, 0.2, 0.1]) {
    const everywhere = ticks.length < 3;
    for (let tick = 0; tick <= 100 + 1e-9; tick += step) {
      const place = stretch(tick / 100);
      const apart = ticks.every((other) => Math.abs(stretch(other) - place) > 0.09 * (b - a));
      if (place >= a && place <= b && apart && (everywhere || (step >= 1 && tick >= 100 - 10 * step))) ticks.push(Math.round(1000 * tick) / 1e5);
    }
  }
  return ticks.sort((one, other) => one - other);
}

function round(a, b, whole, count = 5) {
  // What is counted has no halves.
  const raw = Math.max((b - a) / count, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw && (!whole || Number.isInteger(factor * power)));
  const ticks = [];
  for (let i = Math.ceil(a / step - 1e-9); i * step <= b + 1e-9 * step; i += 1) ticks.push(i * step);
  return ticks;
}

function powers(a, b) {
  const steps = b - a < 1.3 ? [1, 2, 5] : b - a < 3.2 ? [1, 3] : [1];
  const ticks = [];
  for (let power = Math.floor(a); power <= Math.ceil(b); power += 1)
    for (const step of steps) {
      const place = Math.log10(step) + power;
      if (place >= a - 1e-9 && place <= b + 1e-9) ticks.push(step * 10 ** power);
    }
  return ticks.length > 1 ? ticks : [10 ** a, 10 ** b];
}

// Texts of ticks with as many digits as it takes to tell them apart.
function tickTexts(ticks, unit, log) {
  const values = ticks.map((tick) => (unit === "%" ? 100 * tick : tick));
  if (log) return values.map((value) => short(value));
  const most = Math.max(...values.map(Math.abs));
  const [divisor, letter] = most >= 1e6 ? [1e6, "M"] : most >= 1e4 ? [1e3, "k"] : [1, ""];
  const scaled = values.map((value) => value / divisor);
  for (let digits = 0; digits < 8; digits += 1) {
    const texts = scaled.map((value) => value.toFixed(digits));
    if (scaled.every((value, i) => Math.abs(Number(texts[i]) - value) < 1e-9 * Math.max(1, Math.abs(value))))
      return texts.map((text) => `${Number(text) === 0 ? "0" : text}${Number(text) === 0 ? "" : letter}`);
  }
  return scaled.map((value) => `${Number(value.toPrecision(3))}${letter}`);
}

function short(value) {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(3))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(3))}k`;
  return String(Number(value.toPrecision(3)));
}

// The frame of a chart: axes with titles, ticks and a grid; gives where values stand.
function frame(width, height, x, y) {
  const yTexts = (ticks) => tickTexts(ticks, y.unit, y.log);
  const trial = scale(y.values, { log: y.log, zero: y.zero, stretched: y.stretched });
  const left = 22 + 7.4 * Math.max(...yTexts(trial.ticks).map((text) => text.length), 2);
  const [top, right, bottom] = [22, 14, 42];
  const across = scale(x.values, { log: x.log, zero: x.zero, stretched: x.stretched, whole: x.unit === "count", from: left, to: width - right });
  const up = scale(y.values, { log: y.log, zero: y.zero, stretched: y.stretched, from: height - bottom, to: top });
  const svg = s("svg", { viewBox: `0 0 ${width} ${height}`, role: "group" });
  const texts = tickTexts(across.ticks, x.unit, x.log);
  const longest = Math.max(...texts.map((text) => text.length), 1) * 8 + 10;
  const every = Math.max(1, Math.ceil((texts.length * longest) / (width - left - right)));
  const decoration = s("g", { "aria-hidden": "true" });
  across.ticks.forEach((tick, i) => {
    const at = across.place(tick);
    decoration.append(s("line", { class: "grid", x1: at, x2: at, y1: top, y2: height - bottom }));
    if (i % every === 0) decoration.append(s("text", { x: at, y: height - bottom + 17, "text-anchor": "middle" }, texts[i]));
  });
  up.ticks.forEach((tick, i) => {
    const at = up.place(tick);
    decoration.append(s("line", { class: "grid", x1: left, x2: width - right, y1: at, y2: at }));
    decoration.append(s("text", { x: left - 7, y: at + 4, "text-anchor": "end" }, yTexts(up.ticks)[i]));
  });
  decoration.append(
    s("line", { class: "axis", x1: left, x2: width - right, y1: height - bottom, y2: height - bottom }),
    s("text", { class: "name", x: width - right, y: height - 6, "text-anchor": "end" }, x.title),
    s("text", { class: "name", x: 2, y: 12 }, y.title),
  );
  svg.append(decoration);
  return { svg, x: across.place, y: up.place, left, right: width - right, top, bottom: height - bottom };
}

// A chart that is drawn anew when its room changes.
function chart(draw, aspect = 0.62, most = 460) {
  const box = h("div", { class: "chart" });
  let width = 0;
  const redraw = () => {
    const room = Math.round(box.clientWidth) || 640;
    if (room === width) return;
    width = room;
    const key = keyWithin(box);
    box.replaceChildren(draw(width, Math.round(Math.max(250, Math.min(most, aspect * width)))));
    refocus(box, key || wanted);
  };
  new ResizeObserver(redraw).observe(box);
  return box;
}

// What is to have the keyboard as soon as it is drawn: charts are drawn a moment later than the rest.
let wanted = null;
document.addEventListener("focusin", () => (wanted = null));

const keyWithin = (box) => (box.contains(document.activeElement) ? document.activeElement.dataset.key || null : null);

function refocus(within, key) {
  wanted = key;
  if (!key) return;
  for (const element of within.querySelectorAll("[data-key]")) if (element.dataset.key === key) element.focus({ preventScroll: true });
}
