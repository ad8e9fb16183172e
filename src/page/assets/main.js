// The page: follows the process, shows one run at a time, and says when what it shows is old.

import * as actions from "./actions.js";
import { el, keyed, setClass, setText, visible } from "./dom.js";
import { count, duration, moment, percent } from "./format.js";
import { follow } from "./requests.js";
import { SECTIONS } from "./sections.js";
import { cells } from "./sections/progress.js";

/** From this age on, in milliseconds, what is shown counts as old. */
const OLD = 5_000;

const byId = (id) => document.getElementById(id);
const state = { status: undefined, doings: [], seenAt: 0, shown: undefined, view: undefined, session: {}, ended: false, lost: false };

/** What sections may ask of the page. */
const page = {
  showItem: actions.showItem,
  settle: (run, kind, group) => signedIn(() => actions.settle(run, kind, group)),
};

async function start() {
  state.session = await actions.session();
  setText(byId("release"), `valuesim ${state.session.release}.`);
  if (!state.session.may_see && !(await actions.signIn())) {
    return notice("Sign in with the token to see the runs: load the page again.");
  }
  byId("sign-in").onclick = () => signedIn(() => {});
  if (!state.session.may_see) state.session = await actions.session();
  showSession();
  window.addEventListener("hashchange", draw);
  follow("/api/events", {
    status: (status) => {
      Object.assign(state, { status, seenAt: performance.now(), lost: false });
      draw();
    },
    doings: (doings) => {
      announceDoings(state.doings, doings);
      state.doings = doings;
      if (state.status) draw();
    },
    end: () => {
      state.ended = true;
      announce("The process that serves this page has ended.");
      draw();
    },
    lost: () => {
      state.lost = true;
      showAge();
    },
  });
  setInterval(showAge, 1_000);
}

/** Runs `act` once the viewer is signed in. */
async function signedIn(act) {
  if (!state.session.signed_in) {
    if (!(await actions.signIn())) return undefined;
    state.session = await actions.session();
    showSession();
  }
  return act();
}

function showSession() {
  const { has_token, signed_in } = state.session;
  byId("sign-in").hidden = !has_token || signed_in;
}

const announce = (text) => setText(byId("spoken"), text);

function announceDoings(before, now) {
  const was = new Map(before.map((doing) => [doing.id, doing.state]));
  for (const doing of now) {
    if (was.get(doing.id) === "running" && doing.state !== "running") announce(`${doing.kind}: ${doing.text}`);
  }
}

function notice(text) {
  const box = byId("notice");
  box.hidden = !text;
  setText(box, text);
}

/** As of when all this is true. */
function showAge() {
  const line = byId("as-of");
  if (!state.status) return setText(line, state.lost ? "no connection to the process; trying again" : "connecting …");
  const age = performance.now() - state.seenAt;
  const seen = `as of ${moment(state.status.at)}`;
  const isOld = age > OLD || state.ended;
  setClass(line, isOld ? "as-of stale" : "as-of");
  if (state.ended) return setText(line, `${seen}: the process has ended, this is its last word`);
  return setText(line, isOld ? `${seen}, ${duration(age / 1000)} ago: no connection, trying again` : seen);
}

function draw() {
  const { status } = state;
  if (!status) return;
  showAge();
  showRuns(status);
  notice(status.unreached.map(({ server, why }) => `The ${server} cannot be reached: ${why}`).join(" "));
  const run = status.runs.find(({ run }) => run === wanted()) ?? status.runs[0];
  const place = byId("run");
  if (!run) {
    if (state.shown !== "") place.replaceChildren(nothing());
    state.shown = "";
    return;
  }
  if (state.shown !== run.run) {
    state.view = makeRun();
    place.replaceChildren(state.view.element);
    state.shown = run.run;
  }
  state.view.show(run, status);
}

const wanted = () => decodeURIComponent(location.hash.replace(/^#run=/, ""));

const nothing = () => el("section", { class: "wide" },
  el("h2", {}, "There is no run yet"),
  el("p", {}, "Start one: ", el("code", {}, "valuesim run"), " on this machine, or ", el("code", {}, "valuesim coordinate"),
    " and ", el("code", {}, "valuesim work"), " on a fleet. It is shown here as soon as it has begun."));

/** The list of runs, if there are several. */
function showRuns({ runs }) {
  const nav = byId("runs");
  nav.hidden = runs.length < 2;
  if (!nav.firstChild) nav.append(el("ul"));
  const current = runs.find(({ run }) => run === wanted())?.run ?? runs[0]?.run;
  keyed(nav.firstChild, runs, ({ run }) => run, () => el("li", {}, el("a", {}, el("span"), " ", el("small"))), (item, run) => {
    const link = item.firstChild;
    link.href = `#run=${encodeURIComponent(run.run)}`;
    if (run.run === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
    setText(link.querySelector("span"), run.run);
    const counts = cells(run);
    const done = counts ? `, ${percent(counts.finished / Math.max(1, counts.planned))}` : "";
    setText(link.querySelector("small"), `${stateOf(run).text}${done}`);
  });
}

/** The elements of a run, filled again with each snapshot. */
function makeRun() {
  const name = el("h2");
  const models = el("p", { class: "models" });
  const badge = el("span", { class: "state" });
  const buttons = el("div", { class: "buttons" });
  const orders = Object.fromEntries(Object.entries(actions.ORDERS).map(([wish, { submit }]) => {
    const button = el("button", { type: "button", class: wish === "cancel" ? "danger" : "" }, submit);
    return [wish, button];
  }));
  buttons.append(...Object.values(orders));
  const doings = el("div");
  const attention = el("div", { class: "attention" }, el("strong", {}, "Needs attention"), el("ul"));
  const parts = SECTIONS.map((section) => {
    const made = section.make();
    const heading = el("h2", { id: `title-${section.id}` }, section.title);
    const box = el("section", { id: section.id, class: section.wide ? "wide" : "", "aria-labelledby": heading.id }, heading, made.element);
    return { box, show: made.show };
  });
  const element = el("div", {}, el("div", { class: "head" }, name, badge, models, buttons), doings, attention,
    el("div", { class: "sections" }, ...parts.map(({ box }) => box)));
  let said;
  const show = (run, status) => {
    setText(name, `Run ${run.run}`);
    setText(models, (run.about?.models ?? []).join(", "));
    const { text, kind } = stateOf(run, status);
    setText(badge, text);
    setClass(badge, `state ${kind}`);
    const spoken = stateOf(run).text;
    if (said !== undefined && said !== spoken) announce(`Run ${run.run} is ${spoken}.`);
    said = spoken;
    showOrders(orders, run);
    showDoings(doings, run);
    attention.hidden = run.attention.length === 0;
    keyed(attention.lastChild, run.attention, (item) => item, () => el("li"), setText);
    for (const part of parts) part.show(run, status, page);
  };
  return { element, show };
}

/** What state a run is in, in words, and how to colour it. */
function stateOf(run, status) {
  const phase = run.about?.phase;
  const ended = { finished: ["finished", "good"], cancelled: ["cancelled", "warn"], out_of_budget: ["out of budget", "warn"], failed: ["failed", "bad"] };
  if (phase && phase !== "begun") {
    const [text, kind] = ended[phase] ?? [phase, "warn"];
    return { text, kind };
  }
  const flying = (status?.workers ?? []).filter(({ runs }) => runs.includes(run.run)).reduce((sum, worker) => sum + worker.calls_in_flight, 0);
  const still = flying ? `: ${count(flying)} calls still in flight` : "";
  if (run.order?.wish === "pause") return { text: status && flying ? `pausing${still}` : "paused", kind: "warn" };
  if (run.order?.wish === "cancel") return { text: `being cancelled${still}`, kind: "warn" };
  if (!run.about && run.coordinators.length === 0) return { text: "not known", kind: "bad" };
  if (run.coordinators.length === 0) return { text: "without a coordinator", kind: "bad" };
  if (run.attention.some((text) => text.startsWith("no cell was finished"))) return { text: "stalled", kind: "bad" };
  return { text: "running", kind: "good" };
}

function showOrders(orders, run) {
  const isOpen = !run.about || run.about.phase === "begun";
  const wish = run.order?.wish ?? "go";
  const may = state.session.has_token && isOpen && !state.ended;
  const shown = { pause: may && wish === "go", go: may && wish !== "go", cancel: may && wish !== "cancel" };
  for (const [name, button] of Object.entries(orders)) {
    button.hidden = !shown[name];
    button.onclick = () => signedIn(() => actions.order(run.run, name));
  }
}

/** What is being done with the page, with its progress. */
function showDoings(place, run) {
  const recent = state.doings.filter((doing) => doing.run === run.run).slice(-3).reverse();
  keyed(place, recent, ({ id }) => String(id), () => el("p", {}, el("span"), " ", el("progress", { "aria-label": "How much of it is done" })), (line, doing) => {
    const [text, bar] = [line.firstChild, line.lastChild];
    const [done, of] = doing.progress ?? [];
    bar.hidden = doing.state !== "running" || !of;
    if (of) Object.assign(bar, { max: of, value: done });
    const progress = of && doing.state === "running" ? ` ${count(done)} of ${count(of)}` : "";
    setText(text, `${doing.kind}: ${doing.state}${progress}${doing.text ? `: ${doing.text}` : ""}`);
    setClass(line, doing.state === "failed" ? "bad" : "");
  });
}

start().catch((failure) => notice(`The page cannot start: ${visible(failure.message)}`));
