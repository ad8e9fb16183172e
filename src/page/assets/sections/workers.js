// Workers: release, host, last word, calls in flight, and whether they are about to end.

import { el, setText, table } from "../dom.js";
import { ago, count, counted, rate } from "../format.js";

export const id = "workers";
export const title = "Who works on it?";
export const wide = true;

/** How many are shown until all are asked for. */
const FIRST = 8;

export function make() {
  const line = el("p");
  const empty = el("p", { class: "empty" });
  let now = 0;
  let all = false;
  let last = [];
  const list = table([
    { title: "Worker", of: (worker) => `${worker.process.host}, ${worker.process.pid}`, text: true },
    { title: "State", of: (worker) => stateOf(worker, now) },
    { title: "Calls", of: (worker) => `${count(worker.calls_in_flight)} of ${count(worker.capacity)}`, number: true },
    { title: "Rate", of: (worker) => rate(worker.calls_per_second, "calls"), number: true },
    { title: "Tasks", of: (worker) => count(worker.tasks), number: true },
    { title: "Release", of: (worker) => worker.process.release },
    { title: "Started", of: (worker) => ago(worker.process.started_at, now) },
    { title: "Last word", of: (worker) => ago(worker.at, now) },
    { title: "Trouble", of: (worker) => worker.last_trouble?.[1] ?? "", text: true },
  ], { caption: "Workers report every two seconds, and count as gone after ten.", key: (worker) => worker.process.id });
  const more = el("button", { type: "button", onclick: () => { all = !all; fill(); } });
  const fill = () => {
    list.fill(all ? last : last.slice(0, FIRST));
    more.hidden = last.length <= FIRST;
    setText(more, all ? `Show the first ${FIRST}` : `Show all ${last.length}`);
    more.setAttribute("aria-expanded", String(all));
  };
  const show = (run, status) => {
    now = status.at;
    last = status.workers.filter((worker) => worker.runs.includes(run.run));
    last.sort((one, other) => concern(other, now) - concern(one, now));
    const flying = last.reduce((sum, worker) => sum + worker.calls_in_flight, 0);
    const capacity = last.reduce((sum, worker) => sum + worker.capacity, 0);
    setText(line, `${counted(last.length, "worker", "workers")}, ${count(flying)} of ${count(capacity)} calls in flight`);
    setText(empty, advice(run));
    fill();
    list.element.hidden = line.hidden = last.length === 0;
    empty.hidden = last.length > 0;
  };
  return { element: el("div", {}, line, empty, list.element, more), show };
}

function stateOf(worker, now) {
  if (now - worker.at > 6_000) return "silent";
  if (worker.draining) return "about to end";
  return worker.calls_in_flight > 0 ? "calling" : "idle";
}

/** How much a worker needs to be looked at: those who do come first. */
const concern = (worker, now) =>
  ["calling", "idle", "about to end", "silent"].indexOf(stateOf(worker, now)) + (worker.last_trouble ? 0.5 : 0);

function advice(run) {
  if (run.about && run.about.phase !== "begun") return "The run has ended, so nobody works on it.";
  if (run.order?.wish === "pause") return "The run is paused, so nobody works on it.";
  return `Nobody works on it. Start workers with: valuesim work --run ${run.run}`;
}
