// Result, over-fitting, curves of the search, other methods, and facts.

function tiles(run) {
  const { front, result } = run;
  const best = front.members.find((member) => member.id === result.chosen) || front.members[0];
  const { dense } = front;
  const [own, other] = [value(best, "test", "accuracy"), value(dense, "test", "accuracy")];
  const tile = (text, below, look) => h("div", { class: "tile" }, h("b", { class: look }, text), h("span", {}, below));
  const made = [];
  if (known(own) && known(other)) {
    const points = 100 * (own - other);
    const look = result.difference ? { better: "better", worse: "worse", alike: "" }[result.difference.verdict] : "";
    made.push(tile(shown(own, "%"), `test accuracy${run.protocol === "paper" ? " (paper: optimistic)" : ""}; not pruned ${shown(other, "%")}`));
    const interval = result.difference ? `; 95 % interval ${signed(100 * result.difference.low, 2)} to ${signed(100 * result.difference.high, 2)}` : "";
    // The full head, trained alike, differs from itself in nothing.
    if (best.neurons < dense.neurons || result.difference) made.push(tile(`${signed(points, 2)} points`, `difference${interval}`, look));
  }
  made.push(tile(`${(100 * best.active).toFixed(1)} %`, `of ${many(dense.neurons, run.noun)} kept: ${group(best.neurons)}`));
  const times = dense.parameters / Math.max(1, best.parameters);
  made.push(tile(times >= 1.05 ? `${times.toFixed(1)} × smaller` : group(best.parameters), `head of ${many(best.parameters, "parameter")} instead of ${group(dense.parameters)}`));
  if (known(value(best, "test", "ood"))) made.push(tile(shown(value(best, "test", "ood"), ""), `OOD AUROC; not pruned ${shown(value(dense, "test", "ood"), "")}`));
  return h("div", { class: "tiles" }, made);
}

function resultTable(run) {
  const { front } = run;
  const best = front.members.find((member) => member.id === run.result.chosen) || front.members[0];
  const rows = [];
  for (const figure of run.figures.filter((one) => !one.counted))
    for (const part of front.parts)
      if (known(value(best, part, figure.name)) || known(value(front.dense, part, figure.name)))
        rows.push([`${partTitle(run, part)}: ${figure.title}`, ...[front.dense, best].map((head) => shown(value(head, part, figure.name), figure.unit, value(head, `${part}_std`, figure.name)))]);
  rows.push([`active ${run.noun}s`, ...[front.dense, best].map((head) => `${group(head.neurons)} (${(100 * head.active).toFixed(1)} %)`)]);
  rows.push(["parameters of the head", ...[front.dense, best].map((head) => group(head.parameters))]);
  rows.push(["multiply-adds of the head", ...[front.dense, best].map((head) => group(head.multiply_adds))]);
  return table(["", "not pruned", `evolved (member ${best.id})`], rows, "Result", 2);
}

// A table of texts; the numbered column stands out.
function table(header, rows, label, strong = -1) {
  return scrolling(
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, header.map((text, i) => (i || text ? h("th", { scope: "col" }, text) : h("td", {}))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, i) => (i ? h("td", { class: i === strong ? "strong" : null }, cell) : h("th", { scope: "row" }, cell)))))),
    ),
    label,
  );
}

function searchSection(run) {
  const objective = figureOf(run, run.convergence.figure);
  const names = run.front ? run.front.cloud : { id: [], values: {} };
  const best = { title: "best so far", look: "r0", step: true, x: run.convergence.x, y: run.convergence.y };
  const charts = [
    h(
      "div",
      {},
      h("h3", {}, `Best ${objective.title} so far`),
      lineChart({
        key: `convergence ${run.path}`,
        label: `Best ${objective.title} over evaluations; arrow keys go from evaluation to evaluation`,
        x: { title: "evaluations", unit: "count" },
        y: { title: titleOf(objective), unit: objective.unit, stretched: objective.name === "accuracy" },
        series: [best],
        points: { x: names.id, y: names.values[objective.name] || [] },
        guides: known(run.convergence.dense) ? [{ value: run.convergence.dense, title: "not pruned" }] : [],
        describe: (at) => {
          const own = names.id.indexOf(at);
          const lines = [`evaluation ${at}`, `best so far ${shown(valueAt(best, at), objective.unit)}`];
          if (own >= 0) lines.push(`this one ${shown(names.values[objective.name][own], objective.unit)}, ${(100 * names.values.active[own]).toFixed(1)} % active`);
          return lines.join("\n");
        },
      }),
    ),
  ];
  if (run.hypervolume) {
    const volume = { title: "hypervolume", look: "r2", step: true, x: run.hypervolume.x, y: run.hypervolume.y };
    const from = Object.entries(run.hypervolume.reference).map(([name, number]) => `${figureOf(run, name).title} ${shown(number, figureOf(run, name).unit)}`);
    charts.push(
      h(
        "div",
        {},
        h("h3", {}, "Hypervolume of the front"),
        lineChart({
          key: `hypervolume ${run.path}`,
          label: "Hypervolume over evaluations; arrow keys go along the curve",
          x: { title: "evaluations", unit: "count" },
          y: { title: "hypervolume ↑", unit: "" },
          series: [volume],
          describe: (at) => `after evaluation ${at}\nhypervolume ${shown(valueAt(volume, at), "")}`,
        }),
        h("p", { class: "small soft" }, `Measured from ${from.join(", ")}${run.hypervolume.provisional ? ", until the head that is not pruned is measured" : ""}.${known(run.hypervolume.test) ? ` On the test part: ${shown(run.hypervolume.test, "")}.` : ""}`),
      ),
    );
  }
  return h("div", { class: "pair" }, charts);
}

function overfittingSection(run) {
  const rows = run.overfitting.rows;
  const random = rows.find((row) => row.random);
  return [
    h("p", {}, "A search chooses by validation, so that its choice looks better there than it is. What it cannot have fitted, heads that no search has chosen, says what the two parts differ in anyway."),
    table(
      ["", "validation", "test", "validation − test, points"],
      rows.map((row) => [row.label, shown(row.validation, "%"), shown(row.test, "%"), `${signed(100 * row.gap, 2)}${known(row.gap_std) ? ` ± ${(100 * row.gap_std).toFixed(2)}` : ""}`]),
      "Search over-fitting",
      3,
    ),
    random && h("p", {}, `Beside random masks of its size, the chosen head looks ${signed(100 * (rows[0].gap - random.gap), 2)} points better on validation than on the test part: that much the choice has fitted.`),
    h("p", { class: "small soft" }, "Heads that are read on the test part are trained on all other rows, those of validation included, which alone can make the difference negative."),
  ];
}

function sparsitySection(run) {
  const { sparsity } = run;
  let looks = 0;
  // Searches stand out; of the others, all have one colour and are told apart by the pointer.
  const series = sparsity.curves.map((one) => ({ title: one.title, x: one.share, y: one.mean, std: one.search ? one.std : null, spread: one.std, look: one.search ? `r${looks++}` : "other", seeds: one.seeds }));
  const own = run.front && run.front.parts.includes("test") ? [...run.front.members].filter((member) => known(value(member, "test", "accuracy"))).sort((a, b) => a.active - b.active) : [];
  if (own.length > 1)
    series.push({ title: "the front of this run", x: own.map((member) => member.active), y: own.map((member) => member.test.accuracy), spread: own.map((member) => member.test_std.accuracy), std: null, look: `r${looks}` });
  const compared = series.slice(0, sparsity.curves.length);
  const order = [...series].sort((a, b) => Number(b.look === "other") - Number(a.look === "other"));
  const shares = [...new Set(compared.flatMap((one) => one.x))].sort((a, b) => a - b);
  const at = (one, share) => one.y[one.x.indexOf(share)];
  const std = (one, share) => one.spread[one.x.indexOf(share)];
  return [
    lineChart({
      key: `sparsity ${run.path}`,
      label: "Test accuracy over active share by method; arrow keys go from share to share",
      x: { title: "active share, %", unit: "%", log: true },
      y: { title: "test accuracy, % ↑", unit: "%", stretched: true },
      series: order,
      guides: known(sparsity.dense) ? [{ value: sparsity.dense, title: "not pruned" }] : [],
      describe: (share) =>
        [`${Number((100 * share).toPrecision(3))} % active`]
          .concat([...series].filter((one) => known(at(one, share))).sort((a, b) => at(b, share) - at(a, share)).map((one) => `${shown(at(one, share), "%", std(one, share))}  ${one.title}`))
          .join("\n"),
    }),
    legend(series.filter((one) => one.look !== "other").map((one) => [one.title, lineMark(one.look)]).concat(series.some((one) => one.look === "other") ? [["other methods", lineMark("other")]] : [])),
    folded(`sparsity ${run.path}`, "As a table", table(["test accuracy", ...shares.map((share) => `${Number((100 * share).toPrecision(3))} %`)], compared.map((one) => [one.title, ...shares.map((share) => shown(at(one, share), "%", std(one, share)))]), "Test accuracy by method and share")),
    h("p", { class: "small soft" }, `From the experiment in ${sparsity.folder}, data set ${sparsity.dataset}.`),
  ];
}

function factsSection(run) {
  const { facts } = run;
  return [
    h("div", { class: "pair" }, facts.groups.map((one) => h("div", {}, h("h3", {}, one.title), h("dl", {}, one.facts.map(([name, text]) => [h("dt", {}, name), h("dd", {}, text)]))))),
    facts.classes && folded(`classes ${run.path}`, `${group(facts.classes.length)} classes: rows to train on and to test on`, table(["class", "trained on", "test"], facts.classes.map(([name, train, test]) => [name, group(train), group(test)]), "Rows by class")),
    facts.broken && [h("h3", {}, "Left out because they cannot be read"), h("ul", { class: "small" }, facts.broken.map((text) => h("li", {}, text)), facts.broken_more > 0 && h("li", {}, `and ${group(facts.broken_more)} more`))],
  ];
}
