// How far: cells, and the time left as a range.

import { el, figures, setText } from "../dom.js";
import { count, duration, percent, range } from "../format.js";

export const id = "progress";
export const title = "How far is it?";

/** The run's counts of cells, whether a coordinator is alive or not. */
export const cells = (run) => run.coordinators[0]?.cells ?? run.about?.cells;

export function make() {
  const bar = el("progress", { max: 1, value: 0, "aria-label": "Cells that are finished" });
  const line = el("p");
  const list = figures(["Finished", "In progress", "Dead", "Time left"]);
  const show = (run) => {
    const counts = cells(run);
    if (!counts) return setText(line, "How many cells it has is known once its coordinator has reported.");
    const share = counts.finished / Math.max(1, counts.planned);
    if (bar.value !== share) bar.value = share;
    setText(line, `${count(counts.finished)} of ${count(counts.planned)} cells (${percent(share)})`);
    list.set("Finished", count(counts.finished));
    list.set("In progress", count(counts.under_way));
    list.set("Dead", count(counts.dead));
    list.set("Time left", timeLeft(run, counts));
  };
  return { element: el("div", {}, line, bar, list.element), show };
}

function timeLeft(run, counts) {
  if (counts.finished + counts.dead >= counts.planned) return "none";
  return run.outlook.seconds_left ? range(run.outlook.seconds_left, duration) : "not known";
}
