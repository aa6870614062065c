// Which neurons the members of the front have.

// Neurons that are listed before the reader asks for more.
const FEW = 10;

function neuronSection(run) {
  const { neurons } = run;
  const falling = { title: "share of members", look: "r0", x: neurons.falling.x, y: neurons.falling.y };
  const strong = neurons.top.some((one) => known(one.strength));
  const objectives = run.objectives.filter((objective) => objective.name !== "active" && neurons.top.some((one) => known(one.mean[objective.name])));
  const bar = (one) => {
    const svg = s("svg", { viewBox: "0 0 120 12", width: 56, height: 12, preserveAspectRatio: "none", "aria-hidden": "true" }, s("rect", { class: "track", width: 120, height: 12, rx: 3 }), s("rect", { class: `bar${one.chosen === false ? " half" : ""}`, width: 120 * one.frequency, height: 12, rx: 3 }));
    return h("td", {}, svg);
  };
  const list = (top) =>
    scrolling(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, [run.noun, "members", "", "in the chosen", strong && "strength", ...objectives.map((objective) => `mean ${objective.title}`)].filter((text) => text !== false).map((text) => h("th", { scope: "col" }, text)))),
        h(
          "tbody",
          {},
          top.map((one) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, String(one.neuron)),
              h("td", {}, `${one.members} (${(100 * one.frequency).toFixed(0)} %)`),
              bar(one),
              h("td", {}, one.chosen === null ? "-" : one.chosen ? "yes" : "no"),
              strong && h("td", {}, shown(one.strength, "")),
              objectives.map((objective) => h("td", {}, shown(one.mean[objective.name], figureOf(run, objective.name).unit))),
            ),
          ),
        ),
      ),
      "Most frequent neurons",
    );
  return [
    h("p", {}, `Of ${many(neurons.neurons, run.noun)}, ${group(neurons.never)} are in no member of the front, ${group(neurons.always)} in all ${group(neurons.members)}.`),
    h(
      "div",
      { class: "pair" },
      h(
        "div",
        {},
        h("h3", {}, `The most frequent ${run.noun}s`),
        list(neurons.top.slice(0, FEW)),
        neurons.top.length > FEW && folded(`neurons ${run.path}`, `${neurons.top.length - FEW} more`, list(neurons.top.slice(FEW))),
      ),
      h(
        "div",
        {},
        h("h3", {}, "All of them, by frequency"),
        lineChart({
          key: `neurons ${run.path}`,
          label: "Share of members by rank of the neuron; arrow keys go along the curve",
          x: { title: "rank", unit: "count" },
          y: { title: "share of members, %", unit: "%", zero: true },
          series: [falling],
          describe: (at) => `rank ${group(at)}\nin ${(100 * valueAt(falling, at)).toFixed(1)} % of the members`,
        }),
      ),
    ),
    h("p", { class: "small soft" }, `Means are over the members that have the ${run.noun}, ${neurons.part === "values" ? "as the search saw them" : "on validation"}.${strong ? " Strength is how much it contributes in the explained member." : ""}`),
  ];
}
