// The picture of the README: a page two minutes after it was opened, while circuits are open.

import { writeFileSync } from "node:fs";

import { IN_TURN, launch, open } from "./browser.mjs";
import { start } from "./examples.mjs";
import { isLive } from "./page.mjs";
import { messages } from "./waiting.mjs";

/** As much as the sparklines show. */
const SECONDS = 120;

const [, , file] = process.argv;
const dashboard = await start("dashboard", ["--circuits", "12", "--outage", "9"]);
await messages(dashboard.url, SECONDS);
const browser = await launch();
const { page, close } = await open(browser, dashboard.url, { viewport: { width: 1200, height: 720 } });
await isLive(page);
await page.waitForFunction(
  () => {
    const [first, second] = document.querySelectorAll("[data-circuit]");
    return [first, second].every((one) => /probes in [1-9]/.test(one.textContent));
  },
  null,
  { timeout: 2 * IN_TURN },
);
const picture = await page.screenshot();
await close();
await browser.close();
await dashboard.end();
if (picture.length > 300_000) {
  throw new Error(`${picture.length} bytes are too many for a README`);
}
writeFileSync(file, picture);
console.log(`${file}: ${picture.length} bytes`);
