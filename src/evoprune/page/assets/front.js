// The front: every member is a point that can be hovered, focused and opened.

const SHAPES = [
  (r) => `M${-r},0a${r},${r} 0 1,0 ${2 * r},0a${r},${r} 0 1,0 ${-2 * r},0`,
  (r) => `M${-0.9 * r},${-0.9 * r}h${1.8 * r}v${1.8 * r}h${-1.8 * r}z`,
  (r) => `M0,${-1.15 * r}L${1.1 * r},${0.85 * r}H${-1.1 * r}z`,
  (r) => `M0,${1.15 * r}L${1.1 * r},${-0.85 * r}H${-1.1 * r}z`,
];
const DIAMOND = (r) => `M0,${-1.3 * r}L${1.3 * r},0L0,${1.3 * r}L${-1.3 * r},0z`;
const lookOf = (index) => `r${index % 8}`;
const shapeOf = (index) => SHAPES[Math.floor(index / 8 + index) % SHAPES.length];

const partsOf = (run) => ["search", ...run.front.parts];
const value = (member, part, name) => (member && member[part] ? member[part][name] : undefined);

// Figures that some member has on a part.
const figuresOn = (run, part) =>
  run.figures.filter((figure) => run.front.members.some((member) => known(value(member, part, figure.name))));

function frontState(key, runs) {
  const parts = partsOf(runs[0]);
  const state = remembered(key, { part: parts.includes("validation") ? "validation" : parts[parts.length - 1], x: "active", y: "accuracy", open: null, limits: {} });
  if (!parts.includes(state.part) || !runs.every((run) => partsOf(run).includes(state.part))) state.part = "search";
  const names = figuresOn(runs[0], state.part).map((figure) => figure.name);
  if (!names.includes(state.x)) state.x = names.includes("active") ? "active" : names[0];
  if (!names.includes(state.y)) state.y = names.find((name) => name !== state.x) || names[0];
  return state;
}

function described(run, member, part) {
  const lines = [member.id ? `member ${member.id}${member.id === run.front.chosen ? " (chosen)" : ""}` : "not pruned"];
  if (member.run) lines[0] += ` of ${member.run}`;
  for (const figure of run.figures) {
    const number = value(member, part, figure.name);
    if (!known(number)) continue;
    const std = figure.counted ? null : value(member, `${part}_std`, figure.name);
    lines.push(`${plainTitle(figure)} ${shown(number, figure.unit, std)}`);
  }
  return lines.join("\n");
}

// runs: whose fronts are drawn; allowed: which members of the one run satisfy the reader's limits.
function frontChart(key, runs, state, open, allowed) {
  return chart((width, height) => {
    const { part } = state;
    const [fx, fy] = [figureOf(runs[0], state.x), figureOf(runs[0], state.y)];
    const heads = runs.flatMap((run) => [...run.front.members, run.front.dense].filter(Boolean));
    const clouds = part === "search" ? runs.map((run) => run.front.cloud.values).filter((cloud) => cloud[fx.name] && cloud[fy.name]) : [];
    const axis = (figure) => {
      const numbers = heads.map((head) => value(head, part, figure.name)).concat(clouds.flatMap((cloud) => cloud[figure.name])).filter(known);
      const spread = figure.counted ? [] : heads.flatMap((head) => {
        const [mean, std] = [value(head, part, figure.name), value(head, `${part}_std`, figure.name)];
        return known(mean) && known(std) ? [mean - std, mean + std] : [];
      });
      const log = figure.counted && Math.min(...numbers) > 0 && Math.max(...numbers) > 10 * Math.min(...numbers);
      return { values: numbers.concat(spread), unit: figure.unit, log, stretched: figure.name === "accuracy", title: titleOf(figure) };
    };
    const area = frame(width, height, axis(fx), axis(fy));
    const { svg } = area;
    svg.setAttribute("aria-label", `${fy.title} over ${fx.title}, ${partTitle(runs[0], part)}; arrow keys go from member to member`);
    for (const cloud of clouds) {
      const dots = s("g", { "aria-hidden": "true" });
      cloud[fx.name].forEach((x, i) => {
        if (known(x) && known(cloud[fy.name][i])) dots.append(s("circle", { class: "cloud", cx: area.x(x), cy: area.y(cloud[fy.name][i]), r: 2.4 }));
      });
      svg.append(dots);
    }
    const points = [];
    runs.forEach((run, index) => {
      if (run.front.dense) points.push(point(run, index, run.front.dense, DIAMOND));
      for (const member of run.front.members) points.push(point(run, index, member, shapeOf(index)));
    });
    const there = points.filter(Boolean).sort((a, b) => a.x - b.x || a.y - b.y);
    // Those that do not satisfy lie below, the chosen one on top.
    for (const one of [...there].sort((a, b) => a.level - b.level)) svg.append(one.element);
    const first = there.find((one) => one.open) || there.find((one) => one.chosen) || there[0];
    if (first) first.element.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const at = there.findIndex((one) => one.element === document.activeElement);
      const to = { ArrowRight: at + 1, ArrowUp: at + 1, ArrowLeft: at - 1, ArrowDown: at - 1, Home: 0, End: there.length - 1 }[event.key];
      if (at < 0 || to === undefined) return;
      event.preventDefault();
      const next = there[Math.max(0, Math.min(there.length - 1, to))];
      for (const one of there) one.element.setAttribute("tabindex", "-1");
      next.element.setAttribute("tabindex", "0");
      next.element.focus();
    });
    return svg;

    function point(run, index, member, shape) {
      const [vx, vy] = [value(member, part, fx.name), value(member, part, fy.name)];
      if (!known(vx) || !known(vy)) return null;
      const [x, y] = [area.x(vx), area.y(vy)];
      if (!Number.isFinite(x) || !Number.isFinite(y)) return null;
      const text = `${runs.length > 1 ? `${run.name}\n` : ""}${described(run, member, part)}`;
      const chosen = runs.length === 1 && member.id === run.front.chosen;
      const isOpen = state.open !== null && state.open === nameOf(run, member);
      const off = member.id && allowed && !allowed(member);
      const std = fy.counted ? null : value(member, `${part}_std`, fy.name);
      const key = `${memberKey(run, member)}`;
      const element = s(
        "g",
        {
          class: `point ${lookOf(index)}${member.id ? "" : " dense"}${off ? " off" : ""}${chosen ? " chosen" : ""}${isOpen ? " open" : ""}`,
          transform: `translate(${x},${y})`,
          tabindex: "-1",
          role: "button",
          "data-key": key,
          "aria-label": text.replaceAll("\n", ", "),
          onpointermove: (event) => say(text, event.clientX, event.clientY),
          onpointerleave: silent,
          onfocus: (event) => event.currentTarget.matches(":focus-visible") && sayAt(text, event.currentTarget),
          onblur: silent,
          onclick: () => open(run, member),
          onkeydown: (event) => {
            if (event.key !== "Enter" && event.key !== " ") return;
            event.preventDefault();
            open(run, member);
          },
        },
        known(std) && std > 0 && s("line", { class: "spread", y1: area.y(vy - std) - y, y2: area.y(vy + std) - y }),
        s("circle", { class: "hit", r: 13 }),
        s("path", { class: "mark", d: shape(6) }),
        s("circle", { class: "ring", r: 10.5 }),
      );
      return { element, x, y, chosen, open: isOpen, level: (off ? 0 : 1) + (chosen ? 2 : 0) };
    }
  });
}

const nameOf = (run, member) => `${run.path}#${member.run || ""}#${member.id}`;
const memberKey = (run, member) => `point ${nameOf(run, member)}`;

// The choice of axes and of the part that they are measured on.
function axisControls(runs, state, changed) {
  const parts = partsOf(runs[0]).filter((part) => runs.every((run) => partsOf(run).includes(part)));
  const figures = figuresOn(runs[0], state.part);
  const picker = (axis, title) =>
    h(
      "label",
      {},
      title,
      h(
        "select",
        {
          "data-key": `axis ${axis}`,
          "aria-label": title,
          onchange: (event) => {
            state[axis] = event.target.value;
            changed();
          },
        },
        figures.map((figure) => h("option", { value: figure.name, selected: figure.name === state[axis] }, figure.title)),
      ),
    );
  return h(
    "div",
    { class: "controls" },
    picker("x", "across"),
    picker("y", "up"),
    parts.length > 1 &&
      h(
        "fieldset",
        {},
        h("legend", {}, "measured on"),
        parts.map((part) =>
          h(
            "button",
            {
              type: "button",
              "aria-pressed": String(part === state.part),
              "data-key": `part ${part}`,
              onclick: () => {
                state.part = part;
                changed();
              },
            },
            part === "search" ? "the search" : partTitle(runs[0], part),
          ),
        ),
      ),
  );
}
