// The page of a running gateway, one of whose upstreams goes through all kinds of trouble.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { IN_TURN, launch, on } from "./browser.mjs";
import { start } from "./examples.mjs";
import { circuit, confirm, field, isIn, isLive, openDetails, says, section, setting } from "./page.mjs";

let browser;
let gateway;

before(async () => {
  gateway = await start("gateway", ["--serve", "--seconds", "14"], { OPERATOR_TOKEN: undefined });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  assert.equal(await gateway?.end(), 0);
});

test("the outage of an upstream is seen from the circuit that opens to the one that recovers", async () => {
  await on(browser, gateway.url, {}, async (page) => {
    await isLive(page);
    const inventory = circuit(page, "upstream:inventory");
    await isIn(inventory, "open", IN_TURN);
    await says(field(inventory, "remaining"), /probes in/);
    await says(field(inventory, "callers"), /fallback/i);
    await isIn(inventory, "closed", IN_TURN);
    await openDetails(page, "upstream:inventory");
    // What the file says by name, and what it says by pattern.
    await says(setting(page, "timeout"), /250ms[\s\S]*name/);
    await says(setting(page, "circuit_breaker.minimum_calls"), /10[\s\S]*pattern upstream:\*/);
  });
});

test("the token that it printed opens the controls", async () => {
  assert.match(gateway.said.token, /^[0-9a-f]{32}$/);
  await on(browser, gateway.url, {}, async (page) => {
    await isLive(page);
    await openDetails(page, "upstream:prices");
    const control = section(page, "control");
    await control.getByLabel("Token").fill(gateway.said.token);
    await control.getByRole("button", { name: "Sign in" }).click();
    await control.getByRole("button", { name: "Force open" }).click();
    await confirm(page);
    await says(field(circuit(page, "upstream:prices"), "state"), /Forced open/);
  });
});
