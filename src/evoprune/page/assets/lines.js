// Curves with a cross-hair that pointer and arrow keys move.

// series: { title, x, y, std, look, step }; points: { x, y, texts } of single evaluations.
function lineChart({ key, label, x, y, series, points = null, guides = [], describe }) {
  const state = remembered(key, { at: null });
  return chart((width, height) => {
    const all = (pick) => series.flatMap((one) => pick(one)).concat(points ? pick(points) : []);
    const spread = series.flatMap((one) =>
      (one.std || []).flatMap((std, i) => (known(std) && known(one.y[i]) ? [one.y[i] - std, one.y[i] + std] : [])),
    );
    const xs = [...new Set(all((one) => one.x).filter(known))].sort((a, b) => a - b);
    const area = frame(
      width,
      height,
      { ...x, values: xs },
      { ...y, values: [...all((one) => one.y), ...spread, ...guides.map((guide) => guide.value)] },
    );
    const { svg } = area;
    svg.setAttribute("aria-label", label);
    for (const guide of guides) {
      if (!known(guide.value)) continue;
      const at = area.y(guide.value);
      svg.append(s("line", { class: "guide", x1: area.left, x2: area.right, y1: at, y2: at }));
      svg.append(s("text", { x: area.right, y: at - 5, "text-anchor": "end" }, guide.title));
    }
    if (points) {
      const dots = s("g", { "aria-hidden": "true" });
      points.x.forEach((at, i) => {
        if (known(points.y[i])) dots.append(s("circle", { class: "evaluated", cx: area.x(at), cy: area.y(points.y[i]), r: 2.2 }));
      });
      svg.append(dots);
    }
    for (const one of series) svg.append(...curve(one, area));
    const cross = s("line", { class: "cross", y1: area.top, y2: area.bottom, visibility: "hidden" });
    svg.append(cross);
    const move = (index, from) => {
      state.at = xs[Math.max(0, Math.min(xs.length - 1, index))];
      const at = area.x(state.at);
      cross.setAttribute("x1", at);
      cross.setAttribute("x2", at);
      cross.setAttribute("visibility", "visible");
      const box = svg.getBoundingClientRect();
      const text = describe(state.at);
      svg.setAttribute("aria-valuetext", text);
      svg.setAttribute("aria-valuenow", state.at);
      if (from) say(text, from.clientX, from.clientY);
      else say(text, box.left + (at * box.width) / width, box.top + box.height / 3);
    };
    const nearest = (event) => {
      const box = svg.getBoundingClientRect();
      const at = ((event.clientX - box.left) * width) / box.width;
      let best = 0;
      xs.forEach((value, i) => {
        if (Math.abs(area.x(value) - at) < Math.abs(area.x(xs[best]) - at)) best = i;
      });
      return best;
    };
    const leave = () => {
      cross.setAttribute("visibility", "hidden");
      silent();
    };
    if (xs.length) {
      fill(svg, {
        tabindex: "0",
        role: "slider",
        "data-key": key,
        "aria-valuemin": xs[0],
        "aria-valuemax": xs[xs.length - 1],
        "aria-valuenow": xs[0],
        onpointermove: (event) => move(nearest(event), event),
        onpointerleave: leave,
        onblur: leave,
        onkeydown: (event) => {
          const here = state.at === null ? xs.length - 1 : Math.max(0, xs.indexOf(state.at));
          const step = Math.max(1, Math.round(xs.length / 20));
          const to = { ArrowLeft: here - 1, ArrowRight: here + 1, PageDown: here - step, PageUp: here + step, Home: 0, End: xs.length - 1 };
          if (!(event.key in to)) return;
          event.preventDefault();
          move(to[event.key]);
        },
      }, []);
    }
    return svg;
  }, 0.55, 380);
}

function curve(one, area) {
  const there = one.x.map((at, i) => [at, one.y[i], one.std ? one.std[i] : null]).filter(([, value]) => known(value));
  if (!there.length) return [];
  const found = [];
  const banded = there.filter(([, , std]) => known(std));
  if (banded.length > 1) {
    const upper = banded.map(([at, value, std]) => `${area.x(at)},${area.y(value + std)}`);
    const lower = banded.map(([at, value, std]) => `${area.x(at)},${area.y(value - std)}`).reverse();
    found.push(s("polygon", { class: `band ${one.look}`, points: [...upper, ...lower].join(" ") }));
  }
  let path = "";
  there.forEach(([at, value], i) => {
    if (i && one.step) path += `H${area.x(at)}`;
    path += `${i ? "L" : "M"}${area.x(at)},${area.y(value)}`;
  });
  found.push(s("path", { class: `curve ${one.look}`, d: path }));
  return found;
}

// The value of a curve of steps at some place, or of other curves where they have a point there.
function valueAt(one, at) {
  if (!one.step) {
    const index = one.x.indexOf(at);
    return index < 0 ? null : one.y[index];
  }
  let value = null;
  one.x.forEach((place, i) => {
    if (place <= at) value = one.y[i];
  });
  return value;
}

function legend(entries) {
  return h(
    "ul",
    { class: "legend" },
    entries.map(([title, mark]) => h("li", {}, s("svg", { viewBox: "0 0 22 12", "aria-hidden": "true" }, mark), title)),
  );
}

const lineMark = (look) => s("line", { class: `curve ${look}`, x1: 1, x2: 21, y1: 6, y2: 6 });
