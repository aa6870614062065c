// Several runs side by side: a table, and all their fronts in one picture.

function compareSection(runs) {
  const cell = (run, name, dense) => {
    if (!run.result) return "-";
    const head = dense ? run.front.dense : run.front.members.find((member) => member.id === run.result.chosen);
    return head ? shown(value(head, "test", name), "%", value(head, "test_std", name)) : "-";
  };
  const mark = (run, index) => [
    s("svg", { viewBox: "0 0 22 12", width: 22, height: 12, "aria-hidden": "true" }, s("g", { class: `swatch ${lookOf(index)}` }, s("path", { class: "mark", d: shapeOf(index)(5), transform: "translate(11,6)" }))),
    " ",
    h("a", { href: `#run-${index}` }, run.name),
  ];
  const chosen = (run) => run.front.members.find((member) => member.id === run.result.chosen);
  const interval = ({ mean, low, high }) => `${signed(100 * mean, 2)} (${signed(100 * low, 2)} to ${signed(100 * high, 2)})`;
  const settings = [
    ["seed", (run) => (run.merged ? "-" : String(run.seed))],
    ["encoding", (run) => run.encoding],
    ["algorithm", (run) => run.algorithm || "merged"],
    ["protocol", (run) => run.protocol],
    ["evaluations", (run) => (run.merged ? "-" : `${group(run.evaluations)}${run.complete ? "" : ` of ${group(run.budget)}`}`)],
  ];
  const figures = [
    ["not pruned, test accuracy", (run) => cell(run, "accuracy", true)],
    ["evolved, test accuracy", (run) => cell(run, "accuracy", false)],
    ["difference, points (95 %)", (run) => (run.result && run.result.difference ? interval(run.result.difference) : "-")],
    ["active", (run) => (run.result ? `${(100 * chosen(run).active).toFixed(1)} %` : "-")],
    ["members", (run) => (run.front ? group(run.front.members.length) : "-")],
  ];
  // What is the same everywhere is said once.
  const shared = settings.filter(([, text]) => new Set(runs.map(text)).size === 1);
  const columns = [...settings.filter((setting) => !shared.includes(setting)), ...figures];
  const found = [
    shared.length && h("p", { class: "soft" }, `All have ${shared.map(([title, text]) => `${title} ${text(runs[0])}`).join(", ")}.`),
    table(["run", ...columns.map(([title]) => title)], runs.map((run, index) => [mark(run, index), ...columns.map(([, text]) => text(run))]), "Runs", 1 + columns.findIndex(([title]) => title.startsWith("evolved"))),
  ];
  if (new Set(runs.map((run) => run.protocol)).size > 1) found.push(h("p", { class: "soft" }, "Runs under the paper protocol were selected on the test part; their figures are optimistic and do not compare with the others."));
  const drawn = runs.filter((run) => run.front);
  if (drawn.length > 1) found.push(h("h3", {}, "All fronts"), allFronts(drawn));
  return found;
}

function allFronts(runs) {
  const box = h("div", {});
  const key = "all fronts";
  const state = frontState(key, runs);
  const open = (run) => {
    const details = document.getElementById(`run-${RUNS.indexOf(run)}`);
    details.open = true;
    details.scrollIntoView();
  };
  const draw = () => {
    frontState(key, runs);
    const focused = keyWithin(box);
    box.replaceChildren(
      axisControls(runs, state, draw),
      frontChart(key, runs, state, open, null),
      h("ul", { class: "legend" }, runs.map((run, index) => h("li", {}, s("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" }, s("g", { class: `swatch ${lookOf(index)}` }, s("path", { class: "mark", d: shapeOf(index)(5), transform: "translate(11,6)" }))), run.name))),
      h("p", { class: "small soft" }, "Hover a point for its figures; a click opens its run."),
    );
    refocus(box, focused);
  };
  draw();
  return box;
}
