// Elements, numbers and texts. Texts from elsewhere only ever become text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);
const s = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

const known = (value) => typeof value === "number" && Number.isFinite(value);
const many = (number, noun) => `${group(number)} ${noun}${number === 1 ? "" : "s"}`;
const group = (number) => Math.round(number).toLocaleString("en-US");

// A number as the result table shows it: accuracy and active share in percent, counts whole, others to four digits.
function shown(value, unit, std) {
  if (!known(value)) return "-";
  const scale = unit === "%" ? 100 : 1;
  const digits = unit === "%" ? 2 : unit === "count" ? 0 : 4;
  const text = unit === "count" ? group(value) : (scale * value).toFixed(digits);
  const spread = known(std) && std > 0 ? ` ± ${(scale * std).toFixed(digits)}` : "";
  return `${text}${spread}${unit === "%" ? " %" : ""}`;
}

function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value > 0 ? "+" : "−"}${text}`;
}

const figureOf = (run, name) => run.figures.find((figure) => figure.name === name);
const titleOf = (figure) => `${figure.title}${figure.unit === "%" ? ", %" : ""} ${figure.maximize ? "↑" : "↓"}`;

// What a figure is called where no axis says it.
const plainTitle = (figure) => (figure.name === "active" ? "active" : figure.title);

const PARTS = { search: "as the search saw it", validation: "validation", test: "test" };
const partTitle = (run, part) => (part === "test" && run.protocol === "paper" ? "test (paper: selected on it)" : PARTS[part]);

// A table in a box of its own that scrolls on a narrow screen.
function scrolling(table, label) {
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": label }, table);
}

function command(text) {
  const button = h("button", { type: "button", "aria-label": `Copy: ${text}` }, "Copy");
  const code = h("code", {}, text);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without that right, it is marked for the reader to copy.
      getSelection().selectAllChildren(code);
      button.textContent = "Marked";
    }
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  return h("div", { class: "command" }, code, button);
}

// What the reader has set, kept while newer data are drawn.
const memory = new Map();
function remembered(key, initial) {
  if (!memory.has(key)) memory.set(key, { ...initial });
  return memory.get(key);
}

// What is folded away until the reader wants it, and stays unfolded while newer data are drawn.
function folded(key, title, content, initially = false) {
  const state = remembered(`folded ${key}`, { open: initially });
  return h(
    "details",
    { open: state.open, ontoggle: (event) => (state.open = event.target.open) },
    h("summary", { "data-key": `folded ${key}` }, title),
    content,
  );
}
