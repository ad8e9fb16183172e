// Money: spent, per hour, at the end, lost on failed calls, and what is used of the budget.

import { el, figures, setText } from "../dom.js";
import { money, range } from "../format.js";

export const id = "money";
export const title = "What does it cost?";

/** What is used of a budget. */
function used(budget) {
  if (!budget) return "none";
  const percent = Math.floor((budget.spent / budget.limit) * 100);
  return `${money(budget.spent)} of ${money(budget.limit)} (${percent} %), ${money(budget.reserved)} held for calls`;
}

export function make() {
  const list = figures(["Spent", "Per hour", "At the end", "Failed calls, at most", "Budget"]);
  const note = el("p", { class: "empty" });
  const show = (run) => {
    const { spent, priced, per_hour, at_end, wasted_at_most } = run.money;
    list.set("Spent", priced ? money(spent) : spent ? `at least ${money(spent)}` : "not known");
    list.set("Per hour", money(per_hour));
    list.set("At the end", range(at_end, money));
    list.set("Failed calls, at most", money(wasted_at_most));
    list.set("Budget", used(run.about?.budget));
    setText(note, priced ? "" : "A model has no price: give it one in the experiment file to see what the run costs.");
  };
  return { element: el("div", {}, list.element, note), show };
}
