// Draws the curves of the page as SVG. Data: see curves.py.
"use strict";
(() => {
  const COLOURS = ["#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6", "#06b6d4", "#d946ef", "#84cc16", "#f97316", "#64748b"];
  const WIDTH = 420, HEIGHT = 210, LEFT = 46, RIGHT = 8, TOP = 8, BOTTOM = 24;
  const data = JSON.parse(document.getElementById("run-data").textContent).curves;
  let axis = "steps";

  function make(name, attributes, parent) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(node);
    return node;
  }

  function ticks(low, high) {
    const rough = (high - low) / 4, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
    const found = [];
    for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
    return found;
  }

  function written(value) {
    if (value === null || value === undefined) return "–";
    const size = Math.abs(value);
    if (size >= 1e6) return +(value / 1e6).toPrecision(3) + "M";
    if (size >= 1e4) return +(value / 1e3).toPrecision(3) + "k";
    return String(+value.toPrecision(size >= 1000 ? 4 : 3));
  }

  function line(xs, values) {
    const points = [];
    values.forEach((value, index) => { if (value !== null) points.push([xs(index), value]); });
    return points;
  }

  function draw(box) {
    const chart = data.charts[box.dataset.chart], axisValues = data.axes[axis];
    box.replaceChildren();
    const all = chart.curves.flatMap((curve) => [curve.values, curve.low || [], curve.high || []]).concat(chart.band || []);
    const known = all.flat().filter((value) => value !== null);
    let low = Math.min(...known), high = Math.max(...known);
    if (low > 0 && low < 0.4 * high) low = 0;
    if (high - low < 1e-9) { high += 0.5; if (low !== 0) low -= 0.5; }
    const first = axisValues[0], last = axisValues[axisValues.length - 1], span = last - first || 1;
    const x = (index) => LEFT + ((axisValues[index] - first) / span) * (WIDTH - LEFT - RIGHT);
    const y = (value) => HEIGHT - BOTTOM - ((value - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
    const svg = make("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" }, box);
    for (const tick of ticks(low, high)) {
      make("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick), class: "grid" }, svg);
      make("text", { x: LEFT - 5, y: y(tick) + 4, "text-anchor": "end" }, svg).textContent = written(tick);
    }
    for (const tick of ticks(first, first + span)) {
      const place = LEFT + ((tick - first) / span) * (WIDTH - LEFT - RIGHT);
      make("text", { x: Math.min(place, WIDTH - 22), y: HEIGHT - 8, "text-anchor": "middle" }, svg).textContent = written(tick);
    }
    const colour = (index) => COLOURS[index % COLOURS.length];
    const band = (lower, upper, index) => {
      const there = line(x, lower), back = line(x, upper).reverse();
      const path = there.concat(back).map(([at, value]) => `${at.toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      make("polygon", { points: path, fill: colour(index), opacity: 0.18 }, svg);
    };
    if (chart.band) band(chart.band[0], chart.band[1], 0);
    chart.curves.forEach((curve, index) => { if (curve.low) band(curve.low, curve.high, index); });
    chart.curves.forEach((curve, index) => {
      const points = line(x, curve.values);
      const path = points.map(([at, value]) => `${at.toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      make("polyline", { points: path, fill: "none", stroke: colour(index), "stroke-width": 1.6, "stroke-linejoin": "round" }, svg);
      if (points.length <= 40) for (const [at, value] of points) make("circle", { cx: at, cy: y(value), r: 2.4, fill: colour(index) }, svg);
    });
    const cursor = make("line", { y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9, class: "cursor" }, svg);
    const groups = chart.curves.map((curve) => curve.name.slice(0, curve.name.lastIndexOf("/") + 1));
    const shared = groups.every((group) => group === groups[0]) ? groups[0].length : 0;
    const legend = document.createElement("div");
    legend.className = "legend";
    box.appendChild(legend);
    const tell = (index) => {
      legend.replaceChildren(...chart.curves.map((curve, number) => {
        const entry = document.createElement("span"), mark = document.createElement("i");
        mark.style.background = colour(number);
        let at = index === null ? curve.values.length - 1 : index;
        while (at > 0 && curve.values[at] === null) at -= 1;
        entry.title = curve.name;
        entry.append(mark, `${curve.name.slice(shared)} ${written(curve.values[at])}`);
        return entry;
      }));
      if (index !== null) legend.append(`${axis} ${written(axisValues[index])}`);
    };
    tell(null);
    svg.addEventListener("pointermove", (event) => {
      const place = ((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * WIDTH;
      let nearest = 0;
      axisValues.forEach((_, index) => { if (Math.abs(x(index) - place) < Math.abs(x(nearest) - place)) nearest = index; });
      cursor.setAttribute("x1", x(nearest));
      cursor.setAttribute("x2", x(nearest));
      tell(nearest);
    });
    svg.addEventListener("pointerleave", () => { cursor.setAttribute("x1", -9); cursor.setAttribute("x2", -9); tell(null); });
  }

  const boxes = [...document.querySelectorAll("[data-chart]")];
  const choice = document.createElement("div");
  choice.className = "axis-choice";
  for (const name of Object.keys(data.axes)) {
    const button = document.createElement("button");
    button.textContent = name;
    button.className = name === axis ? "chosen" : "";
    button.onclick = () => {
      axis = name;
      for (const other of choice.querySelectorAll("button")) other.className = other === button ? "chosen" : "";
      boxes.forEach(draw);
    };
    choice.append(button, " ");
  }
  choice.prepend("Curves over ");
  if (boxes.length) boxes[0].closest("section").querySelector("h2").after(choice);
  boxes.forEach(draw);
})();
