// What is the bottleneck: own limit, provider, servers, workers, coordinator.

import { el, setText } from "../dom.js";

export const id = "bottleneck";
export const title = "What holds it up?";

const places = {
  order: "An order",
  servers: "Broker or store",
  coordinator: "The coordinator",
  workers: "The workers",
  provider: "The provider",
  own_limit: "A limit of your own",
};

const hasEnded = (run) => run.about && run.about.phase !== "begun";

export function make() {
  const place = el("p", {}, el("strong"));
  const text = el("p");
  const show = (run) => {
    const found = run.bottleneck;
    setText(place.firstChild, found ? places[found.kind] ?? found.kind : hasEnded(run) ? "The run has ended" : "Nothing that is known here");
    setText(text, found?.text ?? "");
  };
  return { element: el("div", {}, place, text), show };
}
