// The sections of a run, in the order of the questions that they answer. A new section is a file and a line here.

import * as pace from "./sections/pace.js";
import * as progress from "./sections/progress.js";
import * as failures from "./sections/failures.js";
import * as dead from "./sections/dead.js";
import * as waiting from "./sections/waiting.js";
import * as workers from "./sections/workers.js";
import * as bottleneck from "./sections/bottleneck.js";
import * as money from "./sections/money.js";
import * as results from "./sections/results.js";
import * as history from "./sections/history.js";
import * as changes from "./sections/changes.js";

/** Each has an `id`, a `title`, perhaps `wide`, and `make()`, which gives { element, show(run, status, page) }. */
export const SECTIONS =
  [pace, progress, failures, dead, waiting, workers, bottleneck, money, results, history, changes];
