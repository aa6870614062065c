// What `evoprune explain` and `evoprune ensemble` have written.

function figureBox(figure) {
  return h(
    "figure",
    { class: "figure" },
    h("figcaption", {}, figure.title),
    h("img", { src: figure.source, width: figure.width, height: figure.height, alt: figure.title }),
  );
}

function explainedSection(run) {
  const { explained } = run;
  const how = [explained.method, explained.layer && `layer ${explained.layer}`].filter(Boolean).join(", ");
  return [
    h("p", {}, `Of member ${explained.member}${how ? `, by ${how}` : ""}.${explained.chosen_images && explained.chosen_images !== "given" ? ` Images: ${explained.chosen_images}.` : ""}`),
    explained.figures.map(figureBox),
    explained.left_out > 0 && h("p", { class: "small soft" }, `${many(explained.left_out, "further figure")} in the folder of the explanation.`),
  ];
}

function ensembleSection(run) {
  const { ensemble } = run;
  const titles = { accuracy: ["test accuracy", "%"], calibration: ["calibration error", "%"], ood: ["OOD AUROC", ""] };
  return [
    scrolling(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, h("td", {}), h("th", { scope: "col" }, "heads"), ensemble.measures.map((name) => h("th", { scope: "col" }, titles[name][0])), h("th", { scope: "col" }, "parameters"))),
        h(
          "tbody",
          {},
          ensemble.rows.map((row) =>
            h(
              "tr",
              { class: row.name === "ensemble" ? "on" : "" },
              h("th", { scope: "row", class: row.hindsight ? "soft" : null }, row.title, row.hindsight ? " (hindsight)" : ""),
              h("td", {}, group(row.heads)),
              ensemble.measures.map((name) => h("td", {}, shown(row.figures[name].mean, titles[name][1], row.figures[name].std))),
              h("td", {}, group(row.parameters)),
            ),
          ),
        ),
      ),
      "Ensemble and what it has to be better than",
    ),
    h("p", { class: "small soft" }, `On the test part, ${ensemble.repetitions > 1 ? `mean ± standard deviation over ${ensemble.repetitions} trainings` : "one training"}.`),
    ensemble.figure && figureBox(ensemble.figure),
  ];
}
