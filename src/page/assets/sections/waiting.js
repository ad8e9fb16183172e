// What only seems to run, and what it waits for.

import { el, table } from "../dom.js";
import { counted, duration } from "../format.js";

export const id = "waiting";
export const title = "What waits, and for what?";
export const wide = true;

const one = { cells: "cell", calls: "call", tasks: "task", workers: "worker" };

export function make() {
  const empty = el("p", { class: "empty" }, "Nothing waits.");
  const list = table([
    { title: "Waits", of: (waiting) => counted(waiting.count, one[waiting.of], waiting.of) },
    { title: "For", of: (waiting) => waiting.text, text: true },
    { title: "Model", of: (waiting) => waiting.model ?? "", text: true },
    { title: "Still", of: (waiting) => waiting.left_ms ? duration(waiting.left_ms / 1000) : "" },
  ], {
    caption: "Queued, held, retried, or stopped by a limit.",
    key: (waiting) => [waiting.kind, waiting.of, waiting.model, waiting.text].join("\n"),
  });
  const show = (run) => {
    list.fill(run.waiting);
    list.element.hidden = run.waiting.length === 0;
    empty.hidden = run.waiting.length > 0;
  };
  return { element: el("div", {}, empty, list.element), show };
}
