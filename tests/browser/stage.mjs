// What the tests of one file play on.

import assert from "node:assert/strict";
import { after, before } from "node:test";

import { launch } from "./browser.mjs";
import { startDashboard } from "./examples.mjs";

/** Returns what will have a browser and a running dashboard, from the first test of the file until after the last. */
export function stage() {
  const kept = {};
  before(async () => {
    kept.dashboard = await startDashboard();
    kept.browser = await launch();
  });
  after(async () => {
    await kept.browser?.close();
    if (kept.dashboard) {
      assert.equal(await kept.dashboard.end(), 0, "the example ends though pages were open");
    }
  });
  return kept;
}
