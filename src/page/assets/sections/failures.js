// What fails: calls by class and model, with the first, the last, how many, and an example.

import { el, table } from "../dom.js";
import { ago, count } from "../format.js";

export const id = "failures";
export const title = "What fails?";
export const wide = true;

export function make() {
  const empty = el("p", { class: "empty" }, "No call has failed.");
  let now = 0;
  const list = table([
    { title: "Class", of: (failures) => failures.class },
    { title: "Model", of: (failures) => failures.model, text: true },
    { title: "Calls", of: (failures) => count(failures.count), number: true },
    { title: "First", of: (failures) => ago(failures.first_at, now) },
    { title: "Last", of: (failures) => ago(failures.last_at, now) },
    { title: "The last one", of: (failures) => failures.example, text: true },
  ], {
    caption: "Failed calls since the run began, most frequent first. Calls that can be tried again are.",
    key: (failures) => `${failures.class}\n${failures.model}`,
  });
  const show = (run, status) => {
    now = status.at;
    list.fill(run.failures);
    list.element.hidden = run.failures.length === 0;
    empty.hidden = run.failures.length > 0;
  };
  return { element: el("div", {}, empty, list.element), show };
}
