// What a page of 500 circuits costs at two messages a second: in a window, and with all of them in view, which no
// screen shows.

import { launch, open } from "./browser.mjs";
import { start } from "./examples.mjs";
import { circuits, isLive } from "./page.mjs";

const CIRCUITS = 500;
const SECONDS = 30;
/** Of one core, for the scripts in a window. */
const BUDGET_PERCENT = 20;

const dashboard = await start("dashboard", ["--circuits", `${CIRCUITS}`, "--interval", "500"]);
const browser = await launch();
const window = await measured({ width: 1280, height: 800 });
const whole = await measured({ width: 1280, height: 30_000 });
await browser.close();
await dashboard.end();

console.log(
  `% of a core  ${Object.keys(window)
    .map((what) => what.padStart(8))
    .join("")}`,
);
print("in a window", window);
print("all in view", whole);
if (window.script > BUDGET_PERCENT) {
  console.error(`the budget is ${BUDGET_PERCENT} % for the scripts in a window`);
  process.exit(1);
}

async function measured(viewport) {
  const { page, close } = await open(browser, dashboard.url, { viewport });
  await isLive(page);
  const there = await circuits(page).count();
  if (there !== CIRCUITS) {
    throw new Error(`${there} circuits are there`);
  }
  const debugging = await page.context().newCDPSession(page);
  await debugging.send("Performance.enable");
  const seen = async () => {
    const { metrics } = await debugging.send("Performance.getMetrics");
    return Object.fromEntries(metrics.map(({ name, value }) => [name, value]));
  };
  const before = await seen();
  // Time is what is measured here, so this is no wait for something to happen.
  await new Promise((resolve) => setTimeout(resolve, SECONDS * 1000));
  const after = await seen();
  await close();
  const share = (name) => ((after[name] - before[name]) * 100) / (after.Timestamp - before.Timestamp);
  return {
    script: share("ScriptDuration"),
    style: share("RecalcStyleDuration"),
    layout: share("LayoutDuration"),
    tasks: share("TaskDuration"),
  };
}

function print(where, shares) {
  const figures = Object.values(shares).map((share) => share.toFixed(1).padStart(8));
  console.log(`${where}  ${figures.join("")}`);
}
