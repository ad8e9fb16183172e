// Is it going on: the rate now, a minute and an hour ago.

import { figures, setClass } from "../dom.js";
import { ago, rate } from "../format.js";

export const id = "pace";
export const title = "Is it going on?";

export function make() {
  const list = figures(["Now", "Last minute", "An hour ago", "Calls answered", "Last cell finished"]);
  const show = (run, status) => {
    const { outlook } = run;
    list.set("Now", rate(outlook.cells_per_second, "cells"));
    list.set("Last minute", rate(outlook.cells_per_second_last_minute, "cells"));
    list.set("An hour ago", rate(outlook.cells_per_second_hour_ago, "cells"));
    list.set("Calls answered", rate(outlook.calls_per_second, "calls"));
    const last = run.coordinators[0]?.last_finished_at;
    list.set("Last cell finished", ago(last, status.at));
    setClass(list.of("Last cell finished"), "small");
  };
  return { element: list.element, show };
}
