// What rows make of the numbers of a message, to the digit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { on } from "./browser.mjs";
import { circuit, circuits, field, says } from "./page.mjs";
import { stage } from "./stage.mjs";

const CALM = {
  state: "closed",
  mode: "automatic",
  remaining_open: null,
  cause: null,
  since: null,
  outage: null,
  times_opened: 0,
  window_length: 10,
  window: {},
  calls_per_second: 0,
  failure_rate: 0,
  failure_threshold: null,
  slow_rate: 0,
  slow_threshold: null,
  minimum_calls: 20,
  latency: { p50: null, p90: null, p99: null, p99_5: null },
  in_flight: 3,
  limit: null,
  queued: 0,
  queue: 0,
  fallback: false,
  calls: null,
  bad: null,
};
const SICK = {
  ...CALM,
  state: "open",
  remaining_open: 3_600,
  cause: { reason: "probes_failed" },
  since: 0.75,
  outage: { cause: { reason: "failure_rate", failures: 12, calls: 20 }, age: 240.5 },
  times_opened: 3,
  window: { success: 8, failure: 10, timeout: 2, ignored: 1, cancelled: 2, circuit_open: 60, bulkhead_full: 7 },
  calls_per_second: 12.34,
  failure_rate: 0.6,
  failure_threshold: 0.5,
  latency: { p50: 0.00082, p90: 0.0123, p99: 0.34, p99_5: 2.14 },
  limit: 10,
  queued: 5,
  queue: 16,
  fallback: true,
  calls: 7,
  bad: 67,
};

const here = stage();

/// Opens a page that is told of circuits of our own, which is all that its streams have before they end.
async function told(circuits, history, look) {
  const state = { interval: 60, sample: 9, unlisted: 0, circuits };
  await on(here.browser, here.dashboard.url, {}, async (page) => {
    await page.route("**/stream", (route) =>
      route.fulfill({ contentType: "text/event-stream", body: `data: ${JSON.stringify(state)}\n\n` }));
    await page.route("**/history", (route) => route.fulfill({ json: { sample: 9, seconds: 1, circuits: history } }));
    await page.reload();
    await look(page);
  });
}

async function row(circuit) {
  const text = (name) => field(circuit, name).textContent();
  const label = (name) => field(circuit, name).getAttribute("aria-label");
  const names = "state since why callers rate cps p50 p90 p99 p99_5 in_flight queue".split(" ");
  const texts = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await text(name)])));
  return { ...texts, mix: await label("mix") };
}

test("a row says what the message says", async () => {
  const messages = [{ ...CALM, name: "calm" }, { ...SICK, name: "sick" }];
  await told(messages, { sick: { calls: [40, 7], bad: [0, 67] } }, async (page) => {
    await says(field(circuit(page, "sick"), "remaining"), /^probes in 60 min$/);
    assert.deepEqual(await row(circuit(page, "sick")), {
      state: "Open",
      since: "sick for 4 min",
      why: "Open: 12 of 20 calls failed (60 %, limit 50 %) 4 min ago, then too many probes failed",
      callers: "Callers get the fallback.",
      rate: "60.0 % / 50 %",
      cps: "12",
      p50: "820 µs",
      p90: "12 ms",
      p99: "340 ms",
      p99_5: "2.1 s",
      in_flight: "3 / 10",
      queue: "5 / 16",
      mix: "8 succeeded, 10 failed, 2 timed out, 67 refused, 3 ignored or cancelled",
    });
    const past = field(circuit(page, "sick"), "spark");
    await past.and(page.getByLabel("calls now 7 a second, at most 40; failed or refused now 67")).waitFor();
    assert.match(await past.locator("path.calls").getAttribute("d"), /^M118 24V\S+H119V\S+H120V24Z$/);
    assert.deepEqual(await row(circuit(page, "calm")), {
      state: "Closed",
      since: "",
      why: "Closed: admits all calls",
      callers: "Callers get the failures.",
      rate: "0.0 %",
      cps: "0.0",
      p50: "–",
      p90: "–",
      p99: "–",
      p99_5: "–",
      in_flight: "3 / ∞",
      queue: "–",
      mix: "no calls",
    });
  });
});

test("circuits stand by how bad they are, and each kind has its word", async () => {
  const trial = { ...SICK, mode: "dry_run" };
  const kinds = [
    ["Open", SICK],
    ["Half-open", { ...SICK, state: "half_open", remaining_open: null }],
    ["Forced open", { ...CALM, mode: "forced_open" }],
    ["Ramping up", { ...SICK, state: "ramping_up", remaining_open: null }],
    ["Dry run", trial],
    ["Closed", { ...CALM, failure_threshold: 0.5, failure_rate: 0.4, window: { success: 60, failure: 40 } }],
    ["Forced closed", { ...CALM, mode: "forced_closed" }],
    ["Closed", CALM],
  ];
  // By their names they would stand the other way round.
  const messages = kinds.map(([, kind], place) => ({ ...kind, name: `circuit ${9 - place}` }));
  await told([...messages].reverse(), {}, async (page) => {
    await circuits(page).first().waitFor();
    const words = await circuits(page).locator('[data-field="state"]').allTextContents();
    assert.deepEqual(words, kinds.map(([word]) => word));
    assert.equal(await page.title(), "(2 open) portcullis");
  });
});
