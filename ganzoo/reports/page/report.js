"use strict";
// Draws what is in #drawn: the samples at the step of the slider, and the curves (by uPlot).
(() => {
  const drawn = JSON.parse(document.getElementById("drawn").textContent);
  const root = document.documentElement;
  const DASHES = [[], [7, 4], [2, 3], [9, 3, 2, 3]];
  const count = (value) => value.toLocaleString("en");
  const colourOf = (element) => getComputedStyle(element).color;
  const probe = document.body.appendChild(Object.assign(document.createElement("span"), { hidden: true }));
  const colour = (name) => ((probe.style.color = `var(${name})`), colourOf(probe));

  function short(value) {
    if (value === null || value === undefined) return "-";
    const size = Math.abs(value);
    if (size && (size >= 1e6 || size < 1e-4)) return value.toExponential(1);
    return String(Number(value.toPrecision(4)));
  }

  // --- samples ---

  const slider = document.getElementById("step");
  let step = drawn.steps.at(-1) ?? null; // which the charts mark

  /** The last of some things with a `step` that is not beyond this one. */
  const at = (things) => things.findLast((one) => one.step <= step) ?? null;

  function places(text) {
    const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
    return new Uint16Array(bytes.buffer); // little-endian, as every machine is that has a screen
  }

  function picture(figure, look) {
    const image = figure.querySelector("img");
    look.frames.at(-1).uri = image.src;
    return () => {
      const frame = at(look.frames);
      image.style.visibility = frame ? "visible" : "hidden";
      if (!frame) return "no picture yet";
      image.src = frame.uri;
      image.alt = `${look.what}, step ${count(frame.step)}`;
      return `step ${count(frame.step)}`;
    };
  }

  function cloud(figure, look) {
    const { moments, real, modes, radius } = look.cloud;
    const box = figure.querySelector(".cloud");
    const canvas = box.querySelector("canvas");
    const said = figure.querySelector(".said");
    const realAt = places(real);
    for (const moment of moments) moment.places = places(moment.at);

    function dots(context, all, size, style) {
      context.fillStyle = style;
      const scale = canvas.width / 65535;
      for (let i = 0; i < all.length; i += 2) {
        context.fillRect(all[i] * scale - size / 2, canvas.height - all[i + 1] * scale - size / 2, size, size);
      }
    }

    function ring(context, [x, y], isHit, unit) {
      const size = Math.max(radius * canvas.width, 8 * unit);
      context.strokeStyle = colour(isHit ? "--c2" : "--bad");
      context.lineWidth = 2 * unit;
      context.setLineDash(isHit ? [] : [4 * unit, 4 * unit]);
      context.beginPath();
      context.arc(x * canvas.width, (1 - y) * canvas.height, size, 0, 2 * Math.PI);
      context.stroke();
      if (isHit) return;
      context.setLineDash([]);
      context.beginPath();
      for (const side of [1, -1]) {
        context.moveTo(x * canvas.width - 3.5 * unit, (1 - y) * canvas.height - 3.5 * unit * side);
        context.lineTo(x * canvas.width + 3.5 * unit, (1 - y) * canvas.height + 3.5 * unit * side);
      }
      context.stroke();
    }

    return () => {
      const side = Math.round((canvas.clientWidth || 560) * (window.devicePixelRatio || 1));
      if (canvas.width !== side) canvas.width = canvas.height = side;
      const unit = side / 560;
      const context = canvas.getContext("2d");
      context.clearRect(0, 0, side, side);
      dots(context, realAt, 2.2 * unit, colour("--strong"));
      const moment = at(moments);
      if (moment) {
        context.globalAlpha = 0.75;
        dots(context, moment.places, 2.6 * unit, colour("--c1"));
        context.globalAlpha = 1;
      }
      modes.forEach((mode, i) => ring(context, mode, Boolean(moment?.hit[i]), unit));
      said.textContent = moment ? moment.said : "no samples yet";
      box.setAttribute("aria-label", moment ? `Samples at step ${moment.step}: ${moment.said}` : "no samples yet");
      return moment ? `step ${count(moment.step)}` : "";
    };
  }

  const looks = drawn.looks.map((look, i) => {
    const figure = document.querySelector(`[data-look="${i}"]`);
    const show = !figure ? null : look.cloud ? cloud(figure, look) : look.frames.length ? picture(figure, look) : null;
    return { figure, show };
  });

  function show() {
    for (const { figure, show } of looks) if (show) figure.querySelector(".at").textContent = show();
    if (!slider) return;
    const words = `step ${count(step)}`;
    slider.setAttribute("aria-valuetext", words);
    document.getElementById("at").textContent = words;
  }

  // --- curves ---

  const charts = [];
  const grid = { stroke: () => colour("--line"), width: 1 };
  const axis = { stroke: () => colour("--soft"), grid, ticks: grid, font: "12px system-ui, sans-serif" };

  /** Of a logarithmic axis the powers of ten alone. */
  const powers = (_, splits) => splits.map((y) => (Math.abs(Math.log10(y) % 1) < 1e-9 ? y : null));

  /** A line at the step of the slider. */
  function marker(plot) {
    if (step === null) return;
    const x = plot.valToPos(step, "x", true);
    if (!(x >= plot.bbox.left && x <= plot.bbox.left + plot.bbox.width)) return;
    const context = plot.ctx;
    context.save();
    context.strokeStyle = colour("--strong");
    context.lineWidth = window.devicePixelRatio || 1;
    context.beginPath();
    context.moveTo(x, plot.bbox.top);
    context.lineTo(x, plot.bbox.top + plot.bbox.height);
    context.stroke();
    context.restore();
  }

  /** All curves over one axis; and where a logarithm has none, a gap. */
  function columns(panel) {
    const tables = panel.lines.map((line) => [line.x, line.y.map((y) => (panel.log && !(y > 0) ? null : y))]);
    const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
    if (panel.level !== null) data.push(data[0].map(() => panel.level));
    return data;
  }

  function range(panel) {
    if (panel.log) return { distr: 3 };
    const [low, high] = panel.range ?? [];
    if (low === undefined) return {};
    return { range: [low - 0.03 * (high - low), high + 0.03 * (high - low)] };
  }

  function chart(figure, panel) {
    const box = figure.querySelector(".plot");
    const swatches = figure.querySelectorAll(".swatch");
    const values = figure.querySelectorAll("output.value");
    const few = (data) => data[0].length < 25;
    const data = columns(panel);
    const series = panel.lines.map((line, i) => ({
      stroke: () => colourOf(swatches[i]),
      width: 1.7,
      dash: DASHES[line.dashes % DASHES.length],
      spanGaps: true,
      points: { show: few(data), size: 5 },
    }));
    const level = { stroke: () => colour("--soft"), width: 1.2, dash: [5, 5], points: { show: false } };

    function say(plot) {
      const i = plot.cursor.idx;
      values.forEach((output, line) => {
        output.textContent = i === null || i === undefined ? output.dataset.last : short(plot.data[line + 1][i]);
      });
    }

    return new uPlot(
      {
        width: box.clientWidth,
        height: box.clientHeight,
        legend: { show: false },
        cursor: { sync: { key: "step", setSeries: false }, drag: { x: true, y: false }, points: { size: 7 } },
        scales: { x: { time: false }, y: range(panel) },
        axes: [
          { ...axis, size: 32, values: (_, splits) => splits.map((x) => (Number.isInteger(x) ? count(x) : "")) },
          {
            ...axis,
            ...(panel.log ? { filter: powers, grid: { ...grid, filter: powers }, ticks: { ...grid, filter: powers } } : {}),
            size: 62,
            values: (_, splits) => splits.map((y) => (y === null ? "" : short(y))),
          },
        ],
        series: [{}, ...series, ...(panel.level === null ? [] : [level])],
        hooks: { draw: [marker], setCursor: [say] },
      },
      data,
      box,
    );
  }

  const watcher = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      if (!contentRect.width) continue; // in what is folded
      if (target.plotted) target.plotted.setSize({ width: contentRect.width, height: contentRect.height });
      else {
        const figure = target.closest("figure");
        charts.push((target.plotted = chart(figure, drawn.panels[figure.dataset.panel])));
      }
    }
  });
  for (const box of document.querySelectorAll(".plot")) watcher.observe(box);

  const redraw = () => charts.forEach((plot) => plot.redraw(false, false));

  // --- what a person moves ---

  function move(place) {
    step = drawn.steps[place];
    show();
    redraw();
  }

  if (slider) {
    slider.addEventListener("input", () => move(Number(slider.value)));
    const play = document.getElementById("play");
    let playing = null;
    const stop = () => {
      clearInterval(playing);
      playing = null;
      play.textContent = "\u25b6";
      play.setAttribute("aria-label", "Play");
    };
    play.addEventListener("click", () => {
      if (playing !== null) return stop();
      if (Number(slider.value) >= drawn.steps.length - 1) slider.value = -1;
      play.textContent = "\u275a\u275a";
      play.setAttribute("aria-label", "Pause");
      const next = () => {
        slider.value = Number(slider.value) + (slider.value === "0" && step !== drawn.steps[0] ? 0 : 1);
        move(Number(slider.value));
        if (Number(slider.value) >= drawn.steps.length - 1) stop();
      };
      playing = setInterval(next, 450);
      next();
    });
    slider.addEventListener("pointerdown", stop);
    slider.addEventListener("keydown", stop);
  }

  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const themed = () => {
    theme.textContent = isDark() ? "Light theme" : "Dark theme";
    show();
    redraw();
  };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    try {
      localStorage.setItem("ganzoo-theme", root.dataset.theme);
    } catch {
      // it holds until the page is closed
    }
    themed();
  });
  system.addEventListener("change", themed);
  addEventListener("resize", show);

  for (const button of document.querySelectorAll(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code); // to be copied by hand
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    });
  }

  themed();
})();
