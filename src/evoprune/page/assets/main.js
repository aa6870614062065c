// The page: sections of what there is, and newer data while a search goes on.

let RUNS = [];

const SECTIONS = [
  ["front", "Front", (run) => (run.front.members.length ? frontSection(run) : null)],
  ["convergence", "Search", searchSection],
  ["sparsity", "Against other methods", sparsitySection],
  ["overfitting", "Search over-fitting", overfittingSection],
  ["confusion", "What is confused", confusionSection],
  ["neurons", "Neurons", neuronSection],
  ["explained", "What it looks at", explainedSection],
  ["ensemble", "Ensemble", ensembleSection],
  ["facts", "Data and protocol", factsSection],
];

function badges(run) {
  const texts = [[`${run.protocol} protocol`, run.protocol === "paper" ? "warn" : ""], [run.encoding, ""]];
  if (run.algorithm) texts.push([run.algorithm, ""]);
  if (run.merged) texts.push(["merged front", ""]);
  if (!run.complete) texts.push([`${group(run.evaluations)} of ${group(run.budget)} evaluations`, "live"]);
  return h("div", { class: "badges" }, texts.map(([text, look]) => h("span", { class: `badge ${look}` }, text)));
}

function opening(run) {
  return [
    badges(run),
    !run.complete && h("progress", { max: Math.max(1, run.budget), value: run.evaluations, "aria-label": "evaluations done" }),
    h("div", { class: "words" }, run.words.map((sentence) => h("p", { class: sentence.about }, sentence.text))),
    run.result && run.front && run.front.dense && [tiles(run), resultTable(run)],
  ];
}

function sections(run, prefix, Heading) {
  return SECTIONS.filter(([name]) => run[name]).map(([name, title, make]) => h("section", { "aria-label": title, id: `${prefix}${name}` }, h(Heading, {}, title), make(run)));
}

function runPage(run) {
  const there = SECTIONS.filter(([name]) => run[name]);
  return [
    h("header", {}, h("h1", {}, run.name), h("nav", { "aria-label": "Sections" }, there.map(([name, title]) => h("a", { href: `#${name}` }, title)))),
    h("main", { id: "main" }, opening(run), sections(run, "", "h2")),
  ];
}

function comparePage(title, runs) {
  return [
    h("header", {}, h("h1", {}, title)),
    h(
      "main",
      { id: "main" },
      compareSection(runs),
      runs.map((run, index) => {
        const state = remembered(`run ${run.path}`, { open: false });
        const body = h("div", {});
        // Drawn when it is opened: charts need to know their room.
        const show = () => body.childElementCount || body.append(...[opening(run), sections(run, `run-${index}-`, "h3")].flat(Infinity).filter(Boolean));
        if (state.open) show();
        return h(
          "details",
          {
            class: "run",
            id: `run-${index}`,
            open: state.open,
            ontoggle: (event) => {
              state.open = event.target.open;
              if (state.open) show();
            },
          },
          h("summary", { "data-key": `run ${run.path}` }, h("h2", {}, run.name)),
          body,
        );
      }),
    ),
  ];
}

function show(data) {
  RUNS = data.runs;
  const page = document.getElementById("page");
  const key = keyWithin(page);
  const { scrollY } = window;
  page.replaceChildren(
    ...(RUNS.length === 1 ? runPage(RUNS[0]) : comparePage(data.title, RUNS)),
    h("footer", {}, `evoprune ${data.version}, ${data.made.replace("T", " ").replace("+00:00", " UTC")}`, h("span", { id: "live", role: "status" })),
  );
  refocus(page, key);
  window.scrollTo(0, scrollY);
}

// Asks for newer data; what the reader has set stays, and nothing is drawn under a finger that drags a slider.
function follow(first) {
  let tag = null;
  let waiting = null;
  let held = false;
  const line = () => document.getElementById("live");
  const done = (data) => data.runs.every((run) => run.complete);
  const draw = () => {
    if (held || !waiting) return;
    const data = waiting;
    waiting = null;
    silent();
    show(data);
  };
  document.addEventListener("pointerdown", (event) => (held = event.target.type === "range"));
  for (const name of ["pointerup", "pointercancel"])
    document.addEventListener(name, () => {
      held = false;
      setTimeout(draw, 400);
    });
  const ask = async () => {
    let pause = 2000;
    try {
      const answer = await fetch("data.json", { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status === 200) {
        tag = answer.headers.get("ETag");
        waiting = await answer.json();
        if (done(waiting)) pause = 15000;
        draw();
      } else if (answer.status !== 304) throw new Error(`status ${answer.status}`);
      if (line()) line().textContent = done({ runs: RUNS }) ? "" : "; live";
    } catch {
      if (line()) line().textContent = "; evoprune watch has ended, and the page stays as it is";
      pause = 5000;
    }
    setTimeout(ask, pause);
  };
  setTimeout(ask, done(first) ? 15000 : 1000);
}

const first = JSON.parse(document.getElementById("data").textContent);
show(first);
if (first.live) follow(first);

// What is folded away is unfolded for the printer.
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
