// Sample games to step through, and positions with heat maps. Data: see sample_games.py and positions.py.
"use strict";
(() => {
  const { games, positions, boards } = JSON.parse(document.getElementById("run-data").textContent);
  const NS = "http://www.w3.org/2000/svg";

  function make(name, attributes, parent) {
    const node = document.createElementNS(NS, name);
    for (const key in attributes) node.setAttribute(key, attributes[key]);
    if (parent) parent.appendChild(node);
    return node;
  }

  function element(name, className, text) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (text !== undefined) node.textContent = text;
    return node;
  }

  function ring(svg, [x, y], radius, colour) {
    make("circle", { cx: x, cy: y, r: radius, fill: "none", stroke: colour, "stroke-width": 0.09 }, svg);
  }

  // Each entry: [weight, cell] or [weight, from, to].
  function heat(svg, board, entries) {
    for (const [weight, ...cells] of entries) {
      const opacity = Math.min(1, 0.15 + 0.85 * Math.sqrt(weight)), number = Math.round(100 * weight) || "";
      const [x, y] = board.cells[cells[cells.length - 1]];
      let place = [x, y];
      if (cells.length === 1) {
        make("circle", { cx: x, cy: y, r: 0.42, fill: board.heat, opacity }, svg);
      } else {
        const [fromX, fromY] = board.cells[cells[0]], width = 0.06 + 0.2 * Math.sqrt(weight);
        place = [(x + fromX) / 2, (y + fromY) / 2];
        make("line", { x1: fromX, y1: fromY, x2: x, y2: y, stroke: board.heat, "stroke-width": width, opacity }, svg);
        make("circle", { cx: x, cy: y, r: 0.7 * width + 0.05, fill: board.heat, opacity }, svg);
      }
      const label = { x: place[0], y: place[1], "text-anchor": "middle", "dominant-baseline": "central", "font-size": 0.4 };
      make("text", { ...label, fill: "#fff", stroke: "#0008", "stroke-width": 0.06, "paint-order": "stroke" }, svg).textContent = number;
    }
  }

  // The board with these pieces; `contents` maps cells to piece numbers.
  function boardSvg(name, contents) {
    const board = boards[name], svg = make("svg", { viewBox: `0 0 ${board.size[0]} ${board.size[1]}` });
    make("use", { href: `#${name}-ground` }, svg);
    for (const [cell, piece] of contents) {
      if (piece) make("use", { href: `#${name}-${piece}`, x: board.cells[cell][0], y: board.cells[cell][1] }, svg);
    }
    return svg;
  }

  function apply(contents, changes) {
    for (let at = 0; at < changes.length; at += 2) contents.set(changes[at], changes[at + 1]);
  }

  function player(root) {
    let game = games[0], ply = 0, withHeat = true, timer = null;
    const choices = element("div", "choices"), grid = element("div", "player"), board = element("div", "board");
    const side = element("div"), title = element("b"), controls = element("div", "controls");
    const curve = element("div", "chart"), moves = element("div", "moves");
    const slider = element("input");
    slider.type = "range";
    slider.min = 0;
    slider.oninput = () => { stop(); go(+slider.value); };
    const buttons = games.map((one, index) => {
      const button = element("button", "", one.short);
      button.title = one.title;
      button.onclick = () => choose(index);
      return button;
    });
    choices.append("games ", ...buttons);
    const press = (text, name, action) => {
      const button = element("button", "", text);
      button.title = name;
      button.setAttribute("aria-label", name);
      button.onclick = action;
      return button;
    };
    const play = press("▶", "play", () => {
      if (timer) return stop();
      if (ply === game.moves.length) go(0);
      timer = setInterval(() => (ply < game.moves.length ? go(ply + 1) : stop()), 700);
      play.textContent = "❚❚";
    });
    const check = element("input");
    check.type = "checkbox";
    check.checked = withHeat;
    check.onchange = () => { withHeat = check.checked; go(ply); };
    const label = element("label");
    label.append(check, " search's policy");
    controls.append(
      press("|◀", "first position", () => go(0)), press("◁", "back", () => go(ply - 1)), play,
      press("▷", "forward", () => go(ply + 1)), press("▶|", "last position", () => go(game.moves.length)), slider, label,
    );
    side.append(title, controls, curve, moves);
    grid.append(board, side);
    root.append(choices, grid);
    root.tabIndex = 0;
    root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step && event.target !== slider) { stop(); go(ply + step); event.preventDefault(); }
    });

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "▶";
    }

    function choose(index) {
      stop();
      game = games[index];
      buttons.forEach((button, number) => { button.className = number === index ? "chosen" : ""; });
      slider.max = game.moves.length;
      title.textContent = game.title;
      moves.replaceChildren(...game.moves.flatMap((text, number) => {
        const move = element("span", "", `${number + 1}. ${text}`);
        move.onclick = () => { stop(); go(number + 1); };
        return [move, " "];
      }));
      go(game.moves.length);
    }

    function go(to) {
      ply = Math.max(0, Math.min(game.moves.length, to));
      slider.value = ply;
      [...moves.children].forEach((move, number) => { move.className = number + 1 === ply ? "now" : ""; });
      const now = moves.children[ply - 1];
      if (now) moves.scrollTop = now.offsetTop - moves.offsetTop - moves.clientHeight / 2;
      if (game.texts) {
        board.replaceChildren(element("pre", "", game.texts[ply]));
      } else {
        const contents = new Map();
        apply(contents, game.start);
        game.changes.slice(0, ply).forEach((changes) => apply(contents, changes));
        const svg = boardSvg(game.board, contents), place = boards[game.board];
        if (ply) game.marks[ply - 1].forEach((cell) => ring(svg, place.cells[cell], contents.get(cell) ? 0.44 : 0.17, "#f5a524"));
        if (withHeat && ply < game.moves.length) heat(svg, place, game.heat[ply]);
        board.replaceChildren(svg);
      }
      values();
    }

    function values() {
      const width = 640, height = 150, last = Math.max(1, game.moves.length);
      const svg = make("svg", { viewBox: `0 0 ${width} ${height}` });
      const x = (at) => 34 + (at / last) * (width - 42), y = (value) => 6 + (1 - value) * (height - 12);
      for (const tick of [0, 0.5, 1]) {
        make("line", { x1: 34, x2: width - 8, y1: y(tick), y2: y(tick), class: "grid" }, svg);
        make("text", { x: 28, y: y(tick) + 4, "text-anchor": "end" }, svg).textContent = tick;
      }
      const points = game.values.map((value, at) => [at, value]).filter(([, value]) => value !== null);
      const path = points.map(([at, value]) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
      make("polyline", { points: path, fill: "none", stroke: "#3b82f6", "stroke-width": 1.6 }, svg);
      make("line", { x1: x(ply), x2: x(ply), y1: 4, y2: height - 4, class: "cursor" }, svg);
      svg.onclick = (event) => {
        const place = ((event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth) * width;
        go(Math.round(((place - 34) / (width - 42)) * last));
      };
      curve.replaceChildren(svg);
    }

    choose(0);
  }

  function shown(root) {
    const slider = element("input"), step = element("span"), controls = element("div", "controls"), grid = element("div", "views");
    slider.type = "range";
    slider.min = 0;
    slider.max = positions.steps.length - 1;
    slider.value = slider.max;
    slider.oninput = () => draw(+slider.value);
    controls.append("network of step ", step, slider);
    root.append(controls, grid);

    function panel(position, view, kind) {
      const box = element("div");
      if (position.text) {
        box.append(element("pre", "", position.text));
      } else {
        const contents = new Map();
        apply(contents, position.contents);
        const svg = boardSvg(positions.board, contents), board = boards[positions.board];
        heat(svg, board, view.heat);
        position.best.forEach((cell) => ring(svg, board.cells[cell], 0.44, board.best));
        box.append(svg);
      }
      const others = view.others.length ? `, ${view.others.join(", ")}` : "";
      box.append(element("small", "", `${kind} expects ${Math.round(100 * view.score)} %${others}`));
      return box;
    }

    function draw(index) {
      step.textContent = positions.steps[index].toLocaleString("en");
      grid.replaceChildren(...positions.positions.map((position) => {
        const box = element("div"), pair = element("div", "pair"), view = position.views[index];
        pair.append(panel(position, view.policy, "network"), panel(position, view.search, "search"));
        box.append(element("b", "", position.title), pair);
        return box;
      }));
    }

    draw(positions.steps.length - 1);
  }

  const playerRoot = document.getElementById("game-player"), positionsRoot = document.getElementById("position-views");
  if (playerRoot) player(playerRoot);
  if (positionsRoot) shown(positionsRoot);
})();
