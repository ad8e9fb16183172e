// History: a chart that begins with the run, over restarts.

import uPlot from "../vendor/uPlot.esm.js";
import { el, setText } from "../dom.js";
import { count, duration, moment, money } from "../format.js";
import { cells } from "./progress.js";
import { read } from "../requests.js";

export const id = "history";
export const title = "How did it go?";
export const wide = true;

/** How often the kept history is read again, in milliseconds; in between the page adds what it sees. */
const READ_EVERY = 60_000;

const HEIGHT = 260;

export function make() {
  const chart = el("div", { class: "chart", role: "img" });
  const legend = el("p", { class: "legend" },
    el("span", {}, el("span", { class: "key cells" }), "cells finished"),
    el("span", {}, el("span", { class: "key money" }), "dollars spent"));
  const empty = el("p", { class: "empty" }, "The chart begins with the first ten seconds of the run.");
  const state = { run: undefined, kept: [], live: [], readAt: 0, plot: undefined };
  const redraw = () => draw(state, chart);
  new ResizeObserver(redraw).observe(chart);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    state.plot?.destroy();
    state.plot = undefined;
    redraw();
  });
  const show = (run, status) => {
    if (state.run !== run.run) {
      Object.assign(state, { run: run.run, kept: [], live: [], readAt: 0 });
    }
    readKept(state, redraw);
    const counts = cells(run);
    const last = state.live.at(-1) ?? state.kept.at(-1);
    if (counts && run.coordinators.length && (!last || status.at - last[0] >= 5_000)) {
      state.live.push([status.at, counts.finished, counts.dead, run.money.spent]);
    }
    const points = all(state);
    legend.hidden = chart.hidden = points.length < 2;
    empty.hidden = points.length >= 2;
    if (points.length >= 2) {
      chart.setAttribute("aria-label", said(points));
      redraw();
    }
  };
  return { element: el("div", {}, chart, legend, empty), show };
}

const all = (state) => {
  const end = state.kept.at(-1)?.[0] ?? 0;
  return [...state.kept, ...state.live.filter(([at]) => at > end)];
};

async function readKept(state, redraw) {
  if (Date.now() - state.readAt < READ_EVERY) return;
  state.readAt = Date.now();
  const { run } = state;
  try {
    const history = await read(`/api/history/${encodeURIComponent(run)}`);
    if (state.run !== run || !history?.points) return;
    state.kept = history.points;
    const end = state.kept.at(-1)?.[0] ?? 0;
    state.live = state.live.filter(([at]) => at > end);
    redraw();
  } catch {
    // The notice at the top says what is away; the chart goes on with what the page sees itself.
  }
}

/** The chart in a sentence, for those who cannot see it. */
function said(points) {
  const [first, last] = [points[0], points.at(-1)];
  const spent = last[3] ? ` and ${money(last[3])} spent` : "";
  return `Since ${moment(first[0])}, ${duration((last[0] - first[0]) / 1000)} in all: from ${count(first[1])} to ` +
    `${count(last[1])} finished cells${spent}.`;
}

function draw(state, chart) {
  const points = all(state);
  const width = chart.clientWidth;
  if (points.length < 2 || width === 0) return;
  const data = [points.map(([at]) => at / 1000), points.map((point) => point[1]), points.map((point) => point[3] / 1e9)];
  if (!state.plot) state.plot = new uPlot(options(width), data, chart);
  else {
    if (state.plot.width !== width) state.plot.setSize({ width, height: HEIGHT });
    state.plot.setData(data);
  }
}

/** The steps of the axes: whole cells, and times that people count in. */
const WHOLE = Array.from({ length: 10 }, (_, power) => [1, 2, 5].map((first) => first * 10 ** power)).flat();
const SECONDS = [1, 5, 10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200, ...[1, 2, 5, 10, 20, 50].map((days) => days * 86_400)];

function options(width) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: color("--soft"), grid: { stroke: color("--grid"), width: 1 }, ticks: { stroke: color("--grid") } };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    cursor: { show: false },
    scales: { x: { time: true }, cells: { range: fromZero }, money: { range: fromZero } },
    axes: [
      { ...axis, incrs: SECONDS, values: (_, values) => times(values) },
      { ...axis, scale: "cells", size: 64, incrs: WHOLE, values: (_, values) => values.map(count) },
      { ...axis, scale: "money", side: 1, size: 64, grid: { show: false }, values: (_, values) => values.map((value) => money(value * 1e9)) },
    ],
    series: [
      {},
      { scale: "cells", stroke: color("--accent"), width: 2, points: { show: false } },
      { scale: "money", stroke: color("--warn"), width: 2, dash: [6, 4], points: { show: false } },
    ],
  };
}

/** Moments on the axis: the time of day, or days where the run takes long. */
function times(values) {
  const isLong = values.length > 1 && values.at(-1) - values[0] > 2 * 86_400;
  const style = isLong ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
  const last = values.length > 1 && values[1] - values[0] < 60 ? { second: "2-digit" } : {};
  return values.map((value) => new Date(value * 1000).toLocaleString("en-GB", { ...style, ...last }));
}

const fromZero = (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.05 : 1];
