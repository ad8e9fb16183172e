// Run folders in states that a real run reaches only in days or in trouble, with reports that stay fresh.

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const HOUR = 3_600_000;

/** Markup and control codes, as a provider or a model name may bring them. */
export const HOSTILE = '<img src=x onerror="document.title=1">\u001b[31mred\u202e';

const CLASSES = ["connect", "timeout", "cut", "malformed", "something_else", "server_error", "overloaded", "rate_limited",
  "too_long", "content_filter", "auth", "billing"];

const process = (id, pid, host = "h1") => ({ id, host, pid, release: "0.1.0", started_at: Date.now() - HOUR });

const about = (run, phase, cells) => ({
  version: 1, run, models: ["gpt-4o-mini", "deepseek-flash"], phase, cells, spent: 12_340_000_000,
  begun_at: Date.now() - 6 * HOUR, at: Date.now(),
});

const coordinator = (run, cells, more = {}) => ({
  version: 1, process: process(`coordinator-${run}`, 71), run, cells, cells_per_second: 12.5,
  pace: { last_minute: 11.75, hour_ago: 14.5, spent_per_hour: 2_150_000_000 }, last_finished_at: Date.now() - 1_000,
  spent: 12_345_000_000, http: "http://127.0.0.1:9100", last_trouble: null, at: Date.now(), ...more,
});

const worker = (run, pid, more = {}) => ({
  version: 1, process: process(`worker-${run}-${pid}`, pid, `node-${pid % 7}.pool.example`), runs: [run], draining: false, tasks: 40,
  calls_in_flight: 63, capacity: 64, calls_per_second: 31.25, http: null, last_trouble: null, at: Date.now(), ...more,
});

const failures = () => CLASSES.map((name, place) => ({
  model: place === 3 ? HOSTILE : "gpt-4o-mini", class: name, count: 4_000 >> place, first_at: Date.now() - 5 * HOUR,
  last_at: Date.now() - place * 60_000,
  example: place === 3 ? HOSTILE : `the provider failed (500): request ${place} could not be answered, and the text of the provider goes on for a while`,
}));

const activity = (run, classes) => ({
  runs: [{ run, sent: 90_000, answered: 81_000, failed: 8_000, to_be_retried: 12, cost: 1_000_000, wasted_at_most: 250_000_000, failures: classes }],
  waits: [{ model: "gpt-4o-mini", reason: { requests_per_minute: 5_000 } }, { model: "deepseek-flash", reason: "cooldown", left_ms: 12_000 }],
});

const history = () => ({
  version: 1, step_ms: 20_000,
  points: Array.from({ length: 900 }, (_, place) =>
    [Date.now() - (900 - place) * 24_000, Math.round(12_345 * (place / 900) ** 1.3), 0, Math.round(12.3e9 * place / 900)]),
});

const change = (kind, reason, minutes) =>
  ({ version: 1, kind, by: "ada (page)", reason, at: Date.now() - minutes * 60_000 });

const RUNNING = { planned: 486_100, finished: 12_345, under_way: 2_000, dead: 0 };

/** The entries of each state's runs: file names without their suffix, with their contents. */
export const STATES = {
  empty: () => ({}),
  running: () => ({
    "about-r": about("r", "begun", RUNNING),
    "coordinator-r": coordinator("r", RUNNING),
    "worker-1": worker("r", 1),
    "worker-2": worker("r", 2, { calls_in_flight: 12, activity: activity("r", []) }),
    "history-r": history(),
    "changes-r": [change("resume", "the new key is in place", 3), change("pause", HOSTILE, 9)],
  }),
  finished: () => {
    const cells = { planned: 1_000, finished: 1_000, under_way: 0, dead: 0 };
    return { "about-r": about("r", "finished", cells), "history-r": history() };
  },
  stalled: () => ({
    "about-r": about("r", "begun", RUNNING),
    "coordinator-r": coordinator("r", RUNNING, {
      cells_per_second: 0, pace: { last_minute: 0 }, last_finished_at: Date.now() - 1_800_000, process: process("coordinator-r", 71),
      last_trouble: [Date.now() - 1_000, "the broker takes no messages: low on disk"],
    }),
    "worker-1": worker("r", 1, { calls_in_flight: 0, calls_per_second: 0, last_trouble: [Date.now() - 2_000, HOSTILE] }),
    "history-r": history(),
  }),
  "many-workers": () => ({
    "about-r": about("r", "begun", RUNNING),
    "coordinator-r": coordinator("r", RUNNING),
    ...Object.fromEntries(Array.from({ length: 40 }, (_, place) => [`worker-${place}`, worker("r", 100 + place, { draining: place === 7 })])),
  }),
  "many-failures": () => ({
    "about-r": about("r", "begun", RUNNING),
    "coordinator-r": coordinator("r", RUNNING),
    "worker-1": worker("r", 1, { activity: activity("r", failures()) }),
    "history-r": history(),
  }),
};

/** Writes a state into a folder of runs. */
export function write(runs, name) {
  const folder = join(runs, "r", "control");
  mkdirSync(folder, { recursive: true });
  for (const [entry, content] of Object.entries(STATES[name]())) {
    const lines = Array.isArray(content) ? content.map((line) => JSON.stringify(line)).join("\n") : JSON.stringify(content);
    writeFileSync(join(folder, `${entry}.json`), lines);
  }
}

/** The same again and again, as processes report; returns how to stop. */
export function keep(runs, name) {
  write(runs, name);
  const timer = setInterval(() => write(runs, name), 1_000);
  return () => clearInterval(timer);
}
