// How the page looks: in both colour schemes and on a phone, and whether everybody can read it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import { IN_TURN, on } from "./browser.mjs";
import { HOSTILE } from "./examples.mjs";
import { anyIn, isLive, openDetails, says, section } from "./page.mjs";
import { stage } from "./stage.mjs";

const require = createRequire(import.meta.url);
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

const PHONE = { viewport: { width: 360, height: 740 } };

const here = stage();

for (const colorScheme of ["light", "dark"]) {
  for (const [shape, options] of Object.entries({ wide: {}, narrow: PHONE })) {
    test(`the list in ${colorScheme} and ${shape} can be read by everybody`, async () => {
      await on(here.browser, here.dashboard.url, { colorScheme, ...options }, async (page) => {
        await isLive(page);
        await anyIn(page, "open", IN_TURN);
        await look(page, `${shape}-${colorScheme}`);
      });
    });

    test(`the details in ${colorScheme} and ${shape} can be read by everybody`, async () => {
      await on(here.browser, here.dashboard.url, { colorScheme, ...options }, async (page) => {
        await isLive(page);
        await openDetails(page, await anyIn(page, "open", IN_TURN));
        await says(section(page, "settings"), /timeout/);
        await look(page, `details-${shape}-${colorScheme}`);
      });
    });
  }
}

test("a long name leaves room for what there is to read on a phone", async () => {
  await on(here.browser, here.dashboard.url, PHONE, async (page) => {
    await isLive(page);
    await openDetails(page, HOSTILE);
    await says(section(page, "settings"), /timeout/);
    await look(page, "details-narrow-long-name");
  });
});

test("light and dark differ", async () => {
  const background = async (colorScheme) => {
    let color;
    await on(here.browser, here.dashboard.url, { colorScheme }, async (page) => {
      color = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    });
    return color.match(/\d+/g).slice(0, 3).map(Number);
  };
  const brightness = ([red, green, blue]) => red + green + blue;
  assert.ok(brightness(await background("light")) > 600);
  assert.ok(brightness(await background("dark")) < 200);
});

/** Takes a picture, and fails if something is cut off or out of reach for somebody. */
async function look(page, name) {
  await page.screenshot({ path: `${process.env.SCREENSHOTS}/${name}.png` });
  const [needed, there] = await page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.scrollingElement;
    return [scrollWidth, clientWidth];
  });
  assert.ok(needed <= there, `${needed} pixels wide on a screen of ${there}`);
  // By Chromium's debugger, so that the page's policy need not allow it.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => axe.run({ resultTypes: ["violations"] }));
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`);
  assert.deepEqual(found, []);
}
