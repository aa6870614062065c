// What both heads confuse, and the images that changed sides.

function confusionSection(run) {
  const data = run.confusion;
  const { classes, trainings, totals } = data;
  const found = [];
  const of = trainings > 1 ? `, mean over ${trainings} trainings` : "";
  if (data.dense) {
    const most = Math.max(...totals, 1) * trainings;
    const change = data.evolved.map((row, i) => row.map((count, j) => count - data.dense[i][j]));
    const largest = Math.max(1, ...change.flat().map(Math.abs));
    const matrices = h(
      "div",
      { class: "matrices" },
      matrix("not pruned", data.dense, classes, trainings, (count) => ["hue-a", count / most]),
      matrix("evolved", data.evolved, classes, trainings, (count) => ["hue-a", count / most]),
      // More on the diagonal is good, elsewhere bad.
      matrix("evolved − not pruned", change, classes, trainings, (count, i, j) => [count > 0 === (i === j) ? "hue-good" : "hue-bad", Math.abs(count) / largest], true),
    );
    matrices.style.setProperty("--least", `${6 + 2.35 * classes.length}rem`);
    found.push(
      h("p", { class: "soft small" }, `Rows: the class it is; columns: the class it was taken for; counts of test ${run.rows_noun}${of}.`),
      matrices,
    );
  }
  const order = classes.map((_, i) => i).filter((i) => totals[i]).sort((a, b) => Math.abs(gain(b)) - Math.abs(gain(a)));
  function gain(i) {
    return data.recall.evolved[i] - data.recall.dense[i];
  }
  found.push(
    folded(
      `recall ${run.path}`,
      "By class: how often it is recognised",
      table(["class", `test ${run.rows_noun}`, "not pruned", "evolved", "difference"], order.map((i) => [classes[i], group(totals[i]), shown(data.recall.dense[i], "%"), shown(data.recall.evolved[i], "%"), `${signed(100 * gain(i), 2)} points`]), "Recall by class"),
      !data.dense,
    ),
    changed(run, "won", "Now right: in most trainings of the evolved head, and not of the other"),
    changed(run, "lost", "Now wrong: the other way round"),
  );
  return found;
}

function matrix(title, counts, classes, trainings, tone, differences = false) {
  const number = (count) => {
    const mean = count / trainings;
    const text = Number.isInteger(mean) ? String(Math.abs(mean)) : Math.abs(mean).toFixed(1);
    return differences && count ? `${count > 0 ? "+" : "−"}${text}` : text;
  };
  return h(
    "div",
    { class: "matrix" },
    h("h3", {}, title),
    scrolling(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, h("td", {}), classes.map((name) => h("th", { scope: "col", title: name }, clipped(name))))),
        h(
          "tbody",
          {},
          counts.map((row, i) =>
            h(
              "tr",
              {},
              h("th", { scope: "row", title: classes[i] }, clipped(classes[i])),
              row.map((count, j) => {
                const [look, much] = tone(count, i, j);
                const cell = h("td", { class: `${look}${count ? "" : " zero"}${much > 0.55 ? " dark" : ""}`, title: `${classes[i]} taken for ${classes[j]}: ${number(count)}` }, number(count));
                cell.style.setProperty("--much", String(count ? Math.round(12 + 88 * Math.sqrt(much)) : 0));
                return cell;
              }),
            ),
          ),
        ),
      ),
      `Confusion matrix: ${title}`,
    ),
  );
}

const clipped = (text) => (text.length > 12 ? `${text.slice(0, 11)}…` : text);

function changed(run, side, title) {
  const data = run.confusion;
  const rows = data[side];
  const total = data[`${side}_count`];
  if (!rows.length) return null;
  const name = (one) => (one.name === null ? `row ${one.row}` : one.name.split("/").pop());
  const took = (head, right, one) => (data.trainings > 1 ? `${head}: ${data.classes[one]} (${right} of ${data.trainings} right)` : `${head}: ${data.classes[one]}`);
  return [
    h("h3", {}, title),
    h("p", { class: "small soft" }, `${many(total, run.rows_noun.slice(0, -1))}${rows.length < total ? `, of which ${rows.length} are shown` : ""}.`),
    h(
      "ul",
      { class: "thumbs" },
      rows.map((one) =>
        h(
          "li",
          { title: one.name },
          one.picture && h("img", { src: one.picture, alt: `${name(one)}, of class ${data.classes[one.label]}` }),
          h("strong", {}, data.classes[one.label]),
          h("div", { class: "soft" }, name(one)),
          h("div", {}, took("not pruned", one.dense_right, one.dense)),
          h("div", {}, took("evolved", one.evolved_right, one.evolved)),
        ),
      ),
    ),
  ];
}
