// The card of one member: all its figures, and the commands that select, export and explain it.

function memberCard(run, member, close) {
  const parts = partsOf(run).filter((part) => member[part]);
  const measured = run.figures.filter((figure) => !figure.counted && parts.some((part) => known(value(member, part, figure.name))));
  const title = member.id ? `Member ${member.id}${member.id === run.front.chosen ? ", the chosen one" : ""}` : "The head that is not pruned";
  const whole = run.front.dense ? run.front.dense.neurons : run.genome;
  const sizes = [`${group(member.neurons)} of ${many(whole, run.noun)} (${(100 * member.active).toFixed(1)} %)`];
  if (known(member.parameters)) sizes.push(many(member.parameters, "parameter"), `${many(member.multiply_adds, "multiply-add")} an image`);
  if (known(member.attained)) sizes.push(`attained by ${(100 * member.attained).toFixed(0)} % of the runs`);
  const commands = member.commands || {};
  const say_ = { select: "Make it the chosen one of the run:", export: "Write it into one file:", explain: "See what it looks at:" };
  return h(
    "section",
    { class: "card", tabindex: "-1", "aria-label": title, "data-key": "card", onkeydown: (event) => event.key === "Escape" && close() },
    h("h3", {}, title),
    member.run && h("p", { class: "small soft" }, `from ${member.run}`),
    h("p", {}, `${sizes.join("; ")}.`),
    scrolling(
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, h("td", {}), parts.map((part) => h("th", { scope: "col" }, partTitle(run, part))))),
        h(
          "tbody",
          {},
          measured.map((figure) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, figure.title),
              parts.map((part) => h("td", {}, shown(value(member, part, figure.name), figure.unit, value(member, `${part}_std`, figure.name)))),
            ),
          ),
        ),
      ),
      `Figures of ${title}`,
    ),
    Object.entries(commands).map(([name, text]) => [h("p", { class: "small soft" }, say_[name]), command(text)]),
    h("button", { type: "button", class: "noprint", onclick: close }, "Close"),
  );
}
