// The results as they come: accuracy and mean absolute error by category, with the baselines beside.

import { el, setText, table } from "../dom.js";
import { ago, count, percent } from "../format.js";

export const id = "results";
export const title = "What comes out of it?";
export const wide = true;

const ALL = "All questions";
const SOON = "Scores are shown as soon as the first cells are finished and scored.";
const ENDED = "The results are in the run's folder: report.md and results.json.";

const hasEnded = (run) => run.about && run.about.phase !== "begun";

export function make() {
  const line = el("p");
  const empty = el("p", { class: "empty" }, SOON);
  const choice = el("select", { id: "results-category", onchange: () => fill() });
  const label = el("label", { for: "results-category" }, "Category");
  const list = table([
    { title: "Method", of: (arm) => arm.method },
    { title: "Model", of: (arm) => arm.model ?? "no model", text: true },
    { title: "Accuracy", of: (arm) => mean(arm.score.accuracy), number: true },
    { title: "95 % interval", of: (arm) => interval(arm.score.accuracy), text: true },
    { title: "MAE", of: (arm) => mean(arm.score.mae), number: true },
    { title: "95 % interval of MAE", of: (arm) => interval(arm.score.mae), text: true },
    { title: "Answers", of: (arm) => count(arm.score.answers), number: true },
  ], { caption: "Baselines that ask no model come first. Means over people; MAE as a share of the scale.", key: (arm) => `${arm.method}\n${arm.model}` });
  let scores;
  const fill = () => {
    const of = (arm) => choice.value === ALL ? arm.overall : arm.categories[choice.value];
    list.fill(scores.arms.map((arm) => ({ ...arm, score: of(arm) })).filter(({ score }) => score));
  };
  const show = (run, status) => {
    scores = run.scores ?? undefined;
    const isEmpty = !scores;
    empty.hidden = !isEmpty;
    setText(empty, hasEnded(run) ? ENDED : SOON);
    for (const part of [line, label, choice, list.element]) part.hidden = isEmpty;
    if (isEmpty) return;
    offer(choice, scores);
    const { cells, persons } = scores;
    const simulated = scores.simulated ? " The replies are simulated." : "";
    setText(line, `${count(cells.scored)} of ${count(cells.planned)} respondents and folds are scored, of ${count(persons.scored)} ` +
      `people (${ago(scores.at, status.at)}).${simulated}`);
    fill();
  };
  return { element: el("div", {}, empty, line, label, choice, list.element), show };
}

/** Offers the categories that there are, and keeps the one that was chosen. */
function offer(choice, { arms }) {
  const names = [ALL, ...new Set(arms.flatMap((arm) => Object.keys(arm.categories)))];
  if (names.length === choice.length) return;
  const chosen = choice.value;
  choice.replaceChildren(...names.map((name) => el("option", {}, name)));
  choice.value = names.includes(chosen) ? chosen : ALL;
}

const mean = (found) => percent(found?.mean);

const interval = (found) => {
  if (!found) return "";
  return found.interval ? `${percent(found.interval[0])} to ${percent(found.interval[1])}` : `none: ${found.no_interval}`;
};
