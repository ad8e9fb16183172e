// Drives the live page in a real browser: how it looks in each state, what it says, and what can be done with it.
// Usage: drive.mjs VALUESIM CHROMIUM FOLDER [SCREENSHOTS]. Prints a JSON object for each check.

import { spawn } from "node:child_process";
import { mkdtempSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { SIZES, check, chromium, findings, holds } from "./browser.mjs";
import { HOSTILE, STATES, keep } from "./states.mjs";

const [valuesim, executablePath, folder, shots] = process.argv.slice(2);
const TOKEN = "a token for the browser that drives the page";
const WITHIN = { timeout: 30_000 };

/** Starts the command; `url` is that of its page. */
async function start(args, cwd) {
  const child = spawn(valuesim, args, { cwd, env: { PATH: process.env.PATH, USER: "ada" } });
  let said = "";
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no page within 30 s: ${said}`)), 30_000);
    child.on("exit", (code) => reject(new Error(`it ended with ${code}: ${said}`)));
    child.stderr.on("data", (data) => {
      said += data;
      const found = /live page: (\S+)/.exec(said);
      if (found) {
        clearTimeout(timer);
        resolve(found[1]);
      }
    });
  });
  child.removeAllListeners("exit");
  const stop = () => new Promise((resolve) => {
    if (child.exitCode !== null) return resolve();
    child.on("exit", resolve);
    child.kill("SIGTERM");
  });
  return { url, stop, child };
}

/** Opens a page and collects what its console complains about. */
async function open(browser, url, size, colorScheme) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme });
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => request.url().startsWith(url) || complaints.push(`asked ${request.url()}`));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

async function looks(browser, url, state) {
  for (const size of Object.keys(SIZES)) {
    for (const scheme of ["light", "dark"]) {
      await check(`page, ${state}, ${size}, ${scheme}: sound for the console, axe-core and its width`, async () => {
        const { page, complaints, close } = await open(browser, url, size, scheme);
        await page.locator(state === "empty" ? "#run section" : "#progress").first().waitFor(WITHIN);
        await page.waitForTimeout(1_500);
        if (shots) await page.screenshot({ path: join(shots, `${state}-${size}-${scheme}.png`), fullPage: true });
        const found = await findings(page);
        const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        holds(found.length === 0, found.join("\n"));
        holds(complaints.length === 0, complaints.join("\n"));
        holds(overflow <= 0, `the page is ${overflow} pixels wider than the window`);
        await close();
      });
    }
  }
}

const SAYS = {
  empty: ["There is no run yet", "valuesim run"],
  running: ["running", "12,345 of 486,100 cells", "$12.35", "the new key is in place", "requests a minute"],
  finished: ["finished", "1,000 of 1,000 cells", "none"],
  stalled: ["stalled", "low on disk", "Broker or store"],
  "many-workers": ["40 workers", "Show all 40", "about to end"],
  "many-failures": ["content_filter", "billing", "4,000"],
};

async function states(browser) {
  for (const state of Object.keys(STATES)) {
    const runs = mkdtempSync(join(folder, `${state}-`));
    const stopKeeping = keep(join(runs, "runs"), state);
    const { url, stop } = await start(["dashboard", "--listen", "127.0.0.1:0"], runs);
    await looks(browser, url, state);
    await check(`page, ${state}: says so, and shows text of others as text`, () => says(browser, url, state));
    stopKeeping();
    await stop();
  }
}

async function says(browser, url, state) {
  const { page, close } = await open(browser, url, "desktop", "light");
  for (const text of SAYS[state]) {
    await page.locator("main").getByText(text).first().waitFor(WITHIN);
  }
  holds((await page.locator("#run img").count()) === 0, "markup of others became an element");
  holds((await page.title()) === "valuesim", "a script of others was run");
  const text = await page.locator("main").innerText();
  holds(!/[\u001b\u202e]/.test(text), "a control code of others is on the page");
  if (state === "running" || state === "many-failures") {
    holds(text.includes(HOSTILE.slice(0, 20)), "text of others is missing");
    holds(text.includes("\\u{1b}"), "an escape code is not shown");
  }
  await close();
}

/** A real run: it moves, is paused with a reason, and refuses a wrong token. */
async function real(browser) {
  const cwd = mkdtempSync(join(folder, "real-"));
  writeFileSync(join(cwd, "token"), TOKEN);
  const flags = ["run", "--users", "40", "--simulate", "--simulator-latency-ms", "200", "--calls-in-flight", "16"];
  const { url, stop } = await start([...flags, "--listen", "127.0.0.1:0", "--page-token-file", "token"], cwd);
  const { page, complaints, close } = await open(browser, url, "desktop", "light");
  await check("page, a real run: progress moves", async () => {
    const answered = () => page.evaluate(async () => {
      const status = await (await fetch("/api/status")).json();
      return status.workers[0]?.activity?.runs?.[0]?.answered ?? 0;
    });
    await page.locator(".state", { hasText: "running" }).waitFor(WITHIN);
    const before = await answered();
    await page.waitForTimeout(3_000);
    holds((await answered()) > before, "no call was answered within 3 s");
    holds(!(await page.locator("#as-of").innerText()).includes("no connection"), "it has lost its connection");
  });
  await check("page, a real run: a wrong token is refused", async () => {
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByLabel("Token").fill("a wrong token");
    await page.locator("#token-dialog").getByRole("button", { name: "Sign in" }).click();
    await page.getByText("this is not the token").waitFor(WITHIN);
  });
  await check("page, a real run: pause with a reason works, by keyboard, and is shown", async () => {
    await page.getByLabel("Token").fill(TOKEN);
    await page.keyboard.press("Enter");
    await page.getByLabel("Why? It is kept with the run.").fill("the <b>bill</b> is too high");
    await page.getByLabel("Your name").fill("Ada");
    await page.keyboard.press("Enter");
    await page.locator(".state", { hasText: "paused" }).waitFor(WITHIN);
    await page.locator("#changes").getByText("the <b>bill</b> is too high").waitFor(WITHIN);
    await page.locator("#changes").getByText("Ada (page)").waitFor(WITHIN);
    const found = await findings(page);
    holds(found.length === 0, found.join("\n"));
  });
  await check("page, a real run: another viewer sees the pause and may not end it", async () => {
    const other = await open(browser, url, "phone", "dark");
    await other.page.locator(".state", { hasText: "paused" }).waitFor(WITHIN);
    await other.page.getByRole("button", { name: "Resume" }).click();
    await other.page.locator("#token-dialog").waitFor(WITHIN);
    await other.close();
  });
  await check("page, a real run: it is resumed", async () => {
    await page.getByRole("button", { name: "Resume" }).click();
    await page.getByLabel("Why? It is kept with the run.").fill("paid");
    await page.keyboard.press("Enter");
    await page.locator(".state", { hasText: "running" }).waitFor(WITHIN);
  });
  await stop();
  await check("page, a real run: its end is said, and what was seen stays", async () => {
    await page.locator("#as-of", { hasText: "the process has ended" }).waitFor(WITHIN);
    holds(await page.locator("#progress").isVisible(), "the last snapshot is gone");
    if (shots) await page.screenshot({ path: join(shots, "ended.png"), fullPage: true });
    // The wrong token is answered with 401, which Chromium writes into its console.
    const others = complaints.filter((text) => !text.includes("401"));
    holds(others.length === 0, others.join("\n"));
  });
  await close();
}

if (shots) mkdirSync(shots, { recursive: true });
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
await states(browser);
await real(browser);
await browser.close();
