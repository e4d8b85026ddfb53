// What is seen at a glance, during outages and between them.

import assert from "node:assert/strict";
import { test } from "node:test";

import { IN_TURN, on } from "./browser.mjs";
import { HOSTILE } from "./examples.mjs";
import { anyIn, circuit, circuits, field, filter, isIn, isLive, says } from "./page.mjs";
import { startProxy } from "./proxy.mjs";
import { stage } from "./stage.mjs";
import { eventually, messages } from "./waiting.mjs";

const here = stage();

const visible = (page) =>
  page.locator("[data-circuit]:visible").evaluateAll((all) => all.map((one) => one.dataset.circuit));

test("an outage is seen: which circuit is open, why, until when, and what callers get", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    const name = await anyIn(page, "open", IN_TURN);
    const sick = circuit(page, name);
    await says(field(sick, "state"), /^\s*Open/);
    await says(field(sick, "rate"), /[\d.]+ % \/ 50 %/);
    await says(field(sick, "remaining"), /probes in [\d.]+ s/);
    await says(field(sick, "callers"), /\w/);
    await page.waitForFunction(() => /^\(\d+ open\) portcullis$/.test(document.title));
    await says(page.locator('button[data-state="open"]'), /[1-9]\d* open/i);
  });
});

test("the worst circuit comes first", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    // By their names these come last. Rows change places every few seconds only, so that they do not dance.
    const last = ["reviews", "search", "prices"];
    const first = circuits(page).first();
    await eventually(async () => {
      const [name, state] = [await first.getAttribute("data-circuit"), await first.getAttribute("data-state")];
      assert.ok(last.includes(name) && state === "open", `${name} is first, and ${state}`);
    }, IN_TURN);
  });
});

test("the time until the probes counts down between two messages", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    // Messages come each second and a circuit is open for three: more values than four in a row
    // are the page's own.
    const handle = await page.waitForFunction(
      () => {
        window.countdowns ??= new Map();
        for (const element of document.querySelectorAll("[data-circuit]")) {
          const text = element.querySelector('[data-field="remaining"]')?.textContent ?? "";
          const [, number] = /probes in ([\d.]+) s/.exec(text) ?? [];
          const name = element.dataset.circuit;
          const seen = window.countdowns.get(name) ?? [];
          const left = Number(number);
          if (number === undefined || left > seen.at(-1) + 0.5) {
            window.countdowns.delete(name);
          } else if (left !== seen.at(-1)) {
            window.countdowns.set(name, [...seen, left]);
          }
          if (seen.length >= 10) {
            return seen;
          }
        }
        return null;
      },
      null,
      { polling: "raf", timeout: IN_TURN },
    );
    const seen = await handle.jsonValue();
    // A message may put right by a little what the page's clock said.
    const up = seen.filter((left, at) => at > 0 && left > seen[at - 1] + 0.15);
    assert.deepEqual(up, [], `not downwards: ${seen}`);
    assert.ok(seen.at(0) - seen.at(-1) > 0.5, `hardly any less: ${seen}`);
  });
});

test("a circuit that was open recovers", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    const name = await anyIn(page, "open", IN_TURN);
    await isIn(circuit(page, name), "closed", IN_TURN);
    await says(field(circuit(page, name), "state"), /^\s*Closed/);
  });
});

test("the list is filtered by text and by state, and the keyboard leads there", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    const all = await circuits(page).count();
    assert.equal(all, 7);
    await page.keyboard.press("/");
    await page.keyboard.type("INVEN");
    await page.waitForFunction(() => document.querySelector("input[type=search]").value === "INVEN");
    await page.waitForFunction(() => document.querySelectorAll("[data-circuit]").length >= 1);
    await eventually(async () => assert.deepEqual(await visible(page), ["inventory"]));
    await page.keyboard.press("Escape");
    await eventually(async () => assert.equal((await visible(page)).length, all));
    assert.equal(await filter(page).inputValue(), "");

    await anyIn(page, "open", IN_TURN);
    const button = page.locator('button[data-state="open"]');
    await button.click();
    assert.equal(await button.getAttribute("aria-pressed"), "true");
    await eventually(async () => {
      const shown = page.locator("[data-circuit]:visible");
      const states = await shown.evaluateAll((all) => all.map((one) => one.dataset.state));
      assert.ok(states.length > 0 && states.every((state) => state === "open"), `${states}`);
    });
    await button.click();
    await eventually(async () => assert.equal((await visible(page)).length, all));
  });
});

test("a page that is paused stands still while messages come", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    await page.getByRole("button", { name: "Pause" }).click();
    await says(page.locator("#connection"), /paused/i);
    const list = () =>
      page.evaluate(() => [...document.querySelectorAll("[data-circuit]")].map((one) => one.innerText));
    // What was on its way to the screen is there after another message.
    await messages(here.dashboard.url, 1);
    const before = await list();
    await messages(here.dashboard.url, 3);
    assert.deepEqual(await list(), before);
    await page.getByRole("button", { name: "Resume" }).click();
    await says(page.locator("#connection"), /live/i);
    await eventually(async () => assert.notDeepEqual(await list(), before));

    await page.keyboard.press("p");
    await says(page.locator("#connection"), /paused/i);
    await page.keyboard.press("p");
    await says(page.locator("#connection"), /live/i);
  });
});

test("a hostile name is nothing but text", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    await says(circuit(page, HOSTILE), HOSTILE);
    assert.equal(await page.locator("img").count(), 0);
    assert.equal(await page.locator("script").count(), 1);
  });
});

test("the page works with a slash at its end and without, and behind a proxy that strips a prefix", async () => {
  const slashless = here.dashboard.url.replace(/\/$/, "");
  await on(here.browser, slashless, {}, isLive);
  await on(here.browser, `${slashless}/`, {}, isLive);
  const proxy = await startProxy(here.dashboard.url, "/behind/a/proxy");
  try {
    await on(here.browser, proxy.url, {}, isLive);
    await on(here.browser, `${proxy.url}/`, {}, isLive);
  } finally {
    await proxy.end();
  }
});
