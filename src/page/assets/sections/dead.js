// Dead letters: messages that could not be processed, by reason, with what can be done about them.

import { el, setText, table } from "../dom.js";
import { ago, count, counted, NOTHING } from "../format.js";
import { read } from "../requests.js";

export const id = "dead";
export const title = "What was given up?";
export const wide = true;

const waitingIn = (run) => run.queues?.find((queue) => queue.lane === "dead")?.messages ?? 0;

export function make() {
  const line = el("p");
  const error = el("p", { class: "error", role: "alert" });
  const state = { run: undefined, page: undefined, now: 0 };
  const groups = table([
    { title: "Letters", of: (group) => count(group.letters.length), number: true },
    { title: "Why", of: (group) => group.reason, text: true },
    { title: "Kind", of: (group) => group.kind },
    { title: "Last", of: (group) => ago(group.at, state.now) },
    { title: "One of them", of: () => "", fill: (cell, group) => fillExample(cell, group, state) },
    { title: "What to do", of: () => "", fill: (cell, group) => fillActions(cell, group, state) },
  ], { caption: "Dead letters by reason.", key: (group) => `${group.kind}\n${group.reason}` });
  const look = el("button", { type: "button", onclick: () => load(state, groups, line, error) }, "Show why");
  groups.element.hidden = true;
  const show = (run, status, page) => {
    if (state.run !== run.run) groups.element.hidden = true;
    Object.assign(state, { run: run.run, page, now: status.at });
    const waiting = waitingIn(run);
    const dead = run.coordinators[0]?.cells.dead ?? run.about?.cells.dead ?? 0;
    setText(line, summary(waiting, dead));
    look.hidden = waiting === 0;
    if (waiting === 0) groups.element.hidden = true;
  };
  return { element: el("div", {}, line, look, error, groups.element), show };
}

function summary(waiting, dead) {
  if (waiting === 0 && dead === 0) return "No message was given up.";
  const cells = dead ? ` ${counted(dead, "cell is", "cells are")} dead because of them.` : "";
  return `${counted(waiting, "message", "messages")} could not be processed.${cells}`;
}

async function load(state, groups, line, error) {
  setText(error, "");
  try {
    const { letters, waiting } = await read(`/api/dead/${encodeURIComponent(state.run)}`);
    groups.fill(grouped(letters));
    groups.element.hidden = letters.length === 0;
    if (waiting > letters.length) setText(error, `These are the first ${count(letters.length)} of ${count(waiting)}.`);
  } catch (failure) {
    setText(error, `The dead letters could not be read: ${failure.message}`);
  }
}

function grouped(letters) {
  const groups = new Map();
  for (const letter of letters) {
    const key = `${letter.kind}\n${letter.reason}`;
    const group = groups.get(key) ?? { kind: letter.kind, reason: letter.reason, at: 0, letters: [] };
    group.letters.push(letter);
    group.at = Math.max(group.at, letter.at ?? 0);
    groups.set(key, group);
  }
  return [...groups.values()].sort((one, other) => other.letters.length - one.letters.length);
}

function fillExample(cell, group, state) {
  const letter = group.letters[0];
  const name = letter.cell ?? letter.letter ?? NOTHING;
  if (cell.dataset.letter === letter.letter) return;
  cell.dataset.letter = letter.letter;
  cell.replaceChildren(el("button", { type: "button", onclick: () => state.page.showItem(state.run, letter) }, `Show ${name}`));
}

function fillActions(cell, group, state) {
  if (cell.dataset.filled) return;
  cell.dataset.filled = "yes";
  const act = (kind) => () => state.page.settle(state.run, kind, group);
  cell.replaceChildren(el("div", { class: "buttons" },
    el("button", { type: "button", onclick: act("replay") }, "Replay"),
    el("button", { type: "button", class: "danger", onclick: act("discard") }, "Discard")));
}
