// The front of one run with limits to choose by, and the table of its members.

const LIMITS = [
  { name: "active", most: true, words: (text) => `at most ${text} active` },
  { name: "accuracy", most: false, words: (text) => `at least ${text} accuracy` },
  { name: "ood", most: false, words: (text) => `at least ${text} OOD AUROC` },
];

// Members are chosen by what `evoprune select` compares them by: never by what is kept for the report.
const choosingPart = (run) => (run.front.parts.includes("validation") ? "validation" : run.front.parts[0] || "search");

// A limit as a command takes it, rounded so that the member it stands for satisfies it.
function bound(limit, number) {
  if (limit.name === "active") return `${(Math.ceil(number * 1e4 - 1e-9) / 100).toFixed(2)}%`;
  return (Math.floor(number * 1e4 + 1e-9) / 1e4).toFixed(4);
}

const boundValue = (limit, number) => (limit.name === "active" ? Math.ceil(number * 1e4 - 1e-9) / 1e4 : Math.floor(number * 1e4 + 1e-9) / 1e4);

function satisfies(run, limits, member) {
  const part = choosingPart(run);
  return LIMITS.every((limit) => {
    if (!known(limits[limit.name])) return true;
    const number = value(member, part, limit.name);
    const at = boundValue(limit, limits[limit.name]);
    return known(number) && (limit.most ? number <= at : number >= at);
  });
}

function frontSection(run) {
  const key = `front ${run.path}`;
  const box = h("div", {});
  const state = frontState(key, [run]);
  draw();
  return box;

  function draw() {
    frontState(key, [run]);
    const focused = keyWithin(box);
    const allowed = (member) => satisfies(run, state.limits, member);
    const summary = h("div", { class: "found", "aria-live": "polite" });
    const picture = h("div", {});
    const card = h("div", {});
    const table = h("div", {});
    const paint = () => {
      picture.replaceChildren(frontChart(key, [run], state, open, allowed));
      summary.replaceChildren(...found(run, state, open));
      table.replaceChildren(memberTable(run, state, open, allowed));
    };
    const open = (_, member) => {
      state.open = nameOf(run, member);
      showCard(true);
      paint();
    };
    const close = () => {
      const back = state.open;
      state.open = null;
      showCard(false);
      paint();
      refocus(box, `point ${back}`);
    };
    const showCard = (focus) => {
      const heads = [...run.front.members, run.front.dense].filter(Boolean);
      const member = heads.find((one) => nameOf(run, one) === state.open);
      card.replaceChildren(...(member ? [memberCard(run, member, close)] : []));
      if (member && focus) requestAnimationFrame(() => card.firstChild && card.firstChild.focus());
    };
    const marks = [[`member of the front`, s("path", { class: "mark", d: SHAPES[0](5), transform: "translate(11,6)" })]];
    if (run.front.dense) marks.push(["not pruned", s("path", { class: "mark", d: DIAMOND(4), transform: "translate(11,6)" })]);
    if (state.part === "search") marks.push(["every other evaluation", s("circle", { class: "cloud", cx: 11, cy: 6, r: 2.4 })]);
    box.replaceChildren(
      axisControls([run], state, draw),
      sliders(run, state, paint),
      summary,
      picture,
      pointLegend(marks),
      card,
      folded(`members ${run.path}`, `All ${many(run.front.members.length, "member")} as a table`, table),
    );
    showCard(false);
    paint();
    refocus(box, focused);
  }
}

function pointLegend(marks) {
  return h(
    "ul",
    { class: "legend" },
    marks.map(([title, mark], i) => h("li", {}, s("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" }, s("g", { class: `swatch r0${i === 1 && title === "not pruned" ? " dense" : ""}` }, mark)), title)),
  );
}

function sliders(run, state, changed) {
  const part = choosingPart(run);
  const made = LIMITS.map((limit) => {
    const figure = figureOf(run, limit.name);
    const numbers = [...new Set(run.front.members.map((member) => value(member, part, limit.name)).filter(known))].sort((a, b) => a - b);
    if (!figure || numbers.length < 2) return null;
    // At one end everything is allowed.
    const free = limit.most ? numbers.length - 1 : 0;
    const now = known(state.limits[limit.name]) ? numbers.findIndex((number) => number >= state.limits[limit.name] - 1e-12) : free;
    const text = (index) => limit.words(limit.name === "active" ? bound(limit, numbers[index]).replace("%", " %") : shown(boundValue(limit, numbers[index]), figure.unit));
    const output = h("output", {}, text(now));
    const slider = h("input", {
      type: "range",
      min: 0,
      max: numbers.length - 1,
      step: 1,
      value: now,
      name: limit.name,
      "data-key": `limit ${limit.name}`,
      "aria-label": limit.words(figure.unit === "%" ? "X %" : "Y"),
      "aria-valuetext": text(now),
      oninput: (event) => {
        const index = Number(event.target.value);
        state.limits[limit.name] = index === free ? null : numbers[index];
        output.textContent = text(index);
        event.target.setAttribute("aria-valuetext", text(index));
        changed();
      },
    });
    return h("label", {}, output, slider);
  }).filter(Boolean);
  return h("div", { class: "sliders" }, made);
}

// How many members are left, the most accurate of them, and the command that selects it.
function found(run, state, open) {
  const part = choosingPart(run);
  const left = run.front.members.filter((member) => satisfies(run, state.limits, member));
  const limits = LIMITS.filter((limit) => known(state.limits[limit.name]));
  const total = run.front.members.length;
  if (!left.length) return [h("p", {}, `No member of the ${total} satisfies all limits.`)];
  const goal = figureOf(run, "accuracy") && known(value(left[0], part, "accuracy")) ? figureOf(run, "accuracy") : figureOf(run, run.objectives[0].name);
  const sign = goal.maximize ? -1 : 1;
  const [best] = [...left].sort((a, b) => sign * (value(a, part, goal.name) - value(b, part, goal.name)) || a.neurons - b.neurons);
  const where = limits.map((limit) => `${limit.name}${limit.most ? "<=" : ">="}${bound(limit, state.limits[limit.name])}`).join(",");
  const count = limits.length ? `${left.length} of ${many(total, "member")} satisfy this.` : `${many(total, "member")} on the front.`;
  const text = ` Of ${limits.length ? "these" : "them"} the best in ${goal.title} (${partTitle(run, part)}) is `;
  return [
    h(
      "p",
      {},
      count,
      total > 1 && [
        text,
        h("button", { type: "button", class: "link", "data-key": "best", onclick: () => open(run, best) }, `member ${best.id}`),
        `: ${shown(value(best, part, goal.name), goal.unit, value(best, `${part}_std`, goal.name))} with ${(100 * best.active).toFixed(1)} % active.`,
      ],
    ),
    total > 1 && run.front.select && best.commands && command(`${run.front.select} --${goal.maximize ? "max" : "min"} ${goal.name}${where ? ` --where "${where}"` : ""}`),
  ].filter(Boolean);
}

function memberTable(run, state, open, allowed) {
  const parts = run.front.parts.length ? run.front.parts : ["search"];
  const columns = run.figures.flatMap((figure) =>
    figure.name === "active"
      ? []
      : figure.counted
        ? [{ figure, part: parts[0], title: figure.title }]
        : parts.map((part) => ({ figure, part, title: parts.length > 1 ? `${figure.title}, ${part}` : figure.title })),
  );
  const row = (member) =>
    h(
      "tr",
      { class: member.id && !allowed(member) ? "off" : member.id === run.front.chosen ? "on" : "" },
      h("th", { scope: "row" }, h("button", { type: "button", class: "link", "data-key": `row ${nameOf(run, member)}`, onclick: () => open(run, member) }, member.id ? String(member.id) : "not pruned"), member.id === run.front.chosen ? " chosen" : ""),
      h("td", {}, `${group(member.neurons)} (${(100 * member.active).toFixed(1)} %)`),
      columns.map(({ figure, part }) => h("td", {}, shown(value(member, part, figure.name), figure.unit, figure.counted ? null : value(member, `${part}_std`, figure.name)))),
    );
  return scrolling(
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "member"), h("th", { scope: "col" }, "active"), columns.map((column) => h("th", { scope: "col" }, column.title)))),
      h("tbody", {}, run.front.members.map(row), run.front.dense && row(run.front.dense)),
    ),
    "Members of the front",
  );
}
