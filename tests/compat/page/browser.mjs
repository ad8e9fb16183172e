// What checks of pages in a real browser share: how a check is told, the sizes of screens, and what axe-core finds.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const require = createRequire(join(process.env.NODE_MODULES, "page.js"));
export const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };

export const holds = (condition, what) => {
  if (!condition) throw new Error(what);
};

/** Prints a JSON object that says whether the act succeeded. */
export async function check(name, act) {
  try {
    await act();
    console.log(JSON.stringify({ name, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, ok: false, why: String(error.message ?? error) }));
  }
}

/** What axe-core finds. Its script is run by the driver, since a page's policy lets in no script of others. */
export async function findings(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).slice(0, 3).join(" ")}`);
}
