// Opens the page of `valuesim report` in a real browser, wide and narrow, light and dark, and sorts a table.
// Usage: report.mjs VALUESIM CHROMIUM FOLDER. Prints a JSON object for each check.

import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { SIZES, check, chromium, findings, holds } from "./browser.mjs";

const [valuesim, executablePath, folder] = process.argv.slice(2);

// Something in every section: tests, groups, questions, people, modules, the paper's four tables and its figures.
const METHODS = "valuesim,full-info,no-cab,no-story,average,profile-scale(0),profile-scale(58),profile-scale(232)";

/** The address of a report's page. */
function report() {
  const command = (...args) => execFileSync(valuesim, args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
  command("run", "--synthetic", "300", "--users", "12", "--folds", "5", "--methods", METHODS);
  command("report", readdirSync(join(folder, "runs"))[0], "--format", "html", "--output", "report");
  return pathToFileURL(join(folder, "report", "report.html")).href;
}

/** Opens the page and collects whatever it says or loads. */
async function open(browser, url, options) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  page.on("console", (message) => complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => request.url() === url || complaints.push(`asked ${request.url()}`));
  await page.goto(url);
  return { page, complaints, close: () => context.close() };
}

async function looks(browser, url, size, colorScheme) {
  const { page, complaints, close } = await open(browser, url, { viewport: SIZES[size], colorScheme });
  const found = await findings(page);
  holds(found.length === 0, found.join("\n"));
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  holds(width === SIZES[size].width, `the page is ${width} pixels wide`);
  holds(complaints.length === 0, complaints.join("\n"));
  await close();
}

async function sorts(browser, url) {
  const { page, complaints, close } = await open(browser, url);
  const keys = () => page.evaluate(() =>
    [...document.querySelectorAll("#mae-by-category tbody tr")].map((row) => Number(row.cells[1].dataset.key)));
  const before = await keys();
  await page.click("#mae-by-category thead th:nth-child(2) button");
  const [after, expected] = [await keys(), [...before].sort((one, other) => other - one)];
  holds(after.length > 5 && String(before) !== String(expected), "the rows show an order");
  holds(String(after) === String(expected), `${before} sorted is ${after}`);
  holds(complaints.length === 0, complaints.join("\n"));
  await close();
}

const url = report();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
for (const size of Object.keys(SIZES)) {
  for (const scheme of ["light", "dark"]) {
    await check(`report, ${size}, ${scheme}: sound for the console, axe-core and its width`, () => looks(browser, url, size, scheme));
  }
}
await check("report: a table is sorted by the column whose header is pressed", () => sorts(browser, url));
await browser.close();
