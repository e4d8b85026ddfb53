// The controls of an operator.

import assert from "node:assert/strict";
import { test } from "node:test";

import { on } from "./browser.mjs";
import { start, TOKEN } from "./examples.mjs";
import { circuit, confirm, details, field, isLive, openDetails, says, section, setting } from "./page.mjs";
import { stage } from "./stage.mjs";

/** What Chromium says of any answer that is an error. */
const REFUSALS = /Failed to load resource: the server responded with a status of (401|422)/;

const here = stage();

const press = (page, name) => section(page, "control").getByRole("button", { name, exact: true }).click();
const answer = (page) => page.locator("#answer");
const inMode = (page, name, mode) =>
  circuit(page, name)
    .and(page.locator(`[data-mode="${mode}"]`))
    .waitFor();

async function set(page, path, value) {
  const control = section(page, "control");
  await control.getByLabel("Setting", { exact: true }).fill(path);
  await control.getByLabel("Value", { exact: true }).fill(value);
  await press(page, "Apply");
}

async function signIn(page, token) {
  await section(page, "control").getByLabel("Token").fill(token);
  await press(page, "Sign in");
}

test("a wrong token is refused, and the right one is kept nowhere", async () => {
  await on(here.browser, here.dashboard.url, { tolerated: REFUSALS }, async (page) => {
    await isLive(page);
    await openDetails(page, "mail");
    await signIn(page, "not the token at all");
    await says(answer(page), /token|sign|refused|401/i);
    assert.equal(await section(page, "control").getByRole("button", { name: "Force open" }).isVisible(), false);
    await signIn(page, TOKEN);
    await section(page, "control").getByRole("button", { name: "Force open" }).waitFor();
    await says(section(page, "control"), /operator/);
    const kept = await page.evaluate(() => [
      localStorage.length,
      sessionStorage.length,
      document.cookie,
      location.href.includes("token"),
    ]);
    assert.deepEqual(kept, [0, 0, "", false]);
  });
});

test("a circuit is forced open, which is an event with its actor, and released", async () => {
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await isLive(page);
    await openDetails(page, "mail");
    await signIn(page, TOKEN);
    await press(page, "Force open");
    await confirm(page);
    await inMode(page, "mail", "forced_open");
    await says(field(circuit(page, "mail"), "state"), /Forced open/);
    await says(section(page, "events"), /force.?open[\s\S]*operator|operator[\s\S]*force.?open/i);
    await press(page, "Automatic");
    await inMode(page, "mail", "automatic");
  });
});

test("a setting is changed, its origin is the operator, a mistake is explained, and it is released", async () => {
  await on(here.browser, here.dashboard.url, { tolerated: REFUSALS }, async (page) => {
    await isLive(page);
    await openDetails(page, "reviews");
    await signIn(page, TOKEN);
    await set(page, "circuit_breaker.failure_rate", "0.25");
    const row = setting(page, "circuit_breaker.failure_rate");
    await says(row, /0\.25[\s\S]*operator/);
    await says(field(circuit(page, "reviews"), "rate"), /\/ 25 %/);
    await set(page, "circuit_breaker.failure_rate", "7");
    await says(answer(page), /failure_rate/);
    await says(row, /0\.25/);
    await press(page, "Release");
    await says(row, /0\.5/);
  });
});

test("without a token in its server the page has no controls", async () => {
  const plain = await start("dashboard", [], { OPERATOR_TOKEN: undefined });
  try {
    await on(here.browser, plain.url, {}, async (page) => {
      await isLive(page);
      await openDetails(page, "mail");
      await says(section(page, "settings"), /timeout/);
      assert.equal(await section(page, "control").isVisible(), false);
      assert.equal(await details(page).getByLabel("Token").isVisible(), false);
    });
  } finally {
    await plain.end();
  }
});
