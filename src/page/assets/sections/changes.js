// Who changed what, when and why.

import { el, table } from "../dom.js";
import { ago, moment } from "../format.js";

export const id = "changes";
export const title = "Who changed what, and why?";
export const wide = true;

const names = { pause: "paused", resume: "resumed", cancel: "cancelled", replay: "replayed dead letters", discard: "discarded dead letters" };

export function make() {
  const empty = el("p", { class: "empty" }, "Nobody has paused, resumed or cancelled it, or touched its dead letters.");
  let now = 0;
  const list = table([
    { title: "When", of: (change) => `${moment(change.at)} (${ago(change.at, now)})`, text: true },
    { title: "Who", of: (change) => change.by, text: true },
    { title: "What", of: (change) => names[change.kind] ?? change.kind },
    { title: "Why", of: (change) => change.reason ?? "no reason given", text: true },
    { title: "Result", of: (change) => change.result ?? "", text: true },
  ], { caption: "The latest first.", key: (change) => [change.at, change.by, change.kind].join("\n") });
  const show = (run, status) => {
    now = status.at;
    list.fill(run.changes);
    list.element.hidden = run.changes.length === 0;
    empty.hidden = run.changes.length > 0;
  };
  return { element: el("div", {}, empty, list.element), show };
}
