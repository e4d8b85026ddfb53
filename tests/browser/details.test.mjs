// The details of one circuit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { IN_TURN, on } from "./browser.mjs";
import { HOSTILE } from "./examples.mjs";
import { anyIn, circuit, details, isLive, openDetails, says, section, setting } from "./page.mjs";
import { stage } from "./stage.mjs";
import { eventually } from "./waiting.mjs";

const here = stage();

test("details say the settings with their origin, the last events, and the latencies", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    const name = await anyIn(page, "open", IN_TURN);
    await openDetails(page, name);
    await says(setting(page, "circuit_breaker.failure_rate"), /0\.5[\s\S]*library default/);
    await says(setting(page, "timeout"), /400ms[\s\S]*code/);
    await says(section(page, "events"), /Open: \d+ of \d+ calls/);
    const histogram = section(page, "histogram");
    await says(histogram, /\d+ calls from .* 99\.5 % within \d+/);
    await eventually(async () => assert.match(await histogram.locator("path.bars").getAttribute("d"), /M.*Z/i));
  });
});

test("the keyboard moves between circuits, opens details and closes them", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    const focused = () => page.evaluate(() => document.activeElement.closest("[data-circuit]")?.dataset.circuit);
    await page.keyboard.press("ArrowDown");
    const first = await focused();
    assert.ok(first, "an arrow leads to the list");
    await page.keyboard.press("ArrowDown");
    assert.notEqual(await focused(), first);
    const name = await focused();
    await page.keyboard.press("Enter");
    await details(page).waitFor();
    await says(details(page), name);
    await page.keyboard.press("Escape");
    await details(page).waitFor({ state: "hidden" });
    assert.equal(await focused(), name, "the focus is where it was");
  });
});

test("the address of a page with open details leads to them", async () => {
  await on(here.browser, `${here.dashboard.url}#name=prices`, {}, async (page) => {
    await isLive(page);
    await says(details(page), "prices");
    await says(setting(page, "timeout"), /400ms/);
  });
});

test("the details of a hostile name are found, and are text", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    await openDetails(page, HOSTILE);
    await says(details(page), HOSTILE);
    await says(section(page, "settings"), /timeout/);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await circuit(page, HOSTILE).count(), 1);
  });
});
