// Pages whose server is gone, silent, or has no room.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { IN_TURN, launch, on } from "./browser.mjs";
import { startDashboard } from "./examples.mjs";
import { circuits, connection, isLive, says } from "./page.mjs";
import { startProxy } from "./proxy.mjs";

/** What Chromium says of a connection that fails, whatever a page does about it. */
const CUT = /Failed to load resource: (net::ERR_|the server responded with a status of 503)/;

let browser;

before(async () => {
  browser = await launch();
});

after(() => browser?.close());

test("a page whose server ended says so, and is live again when the server is", async () => {
  const first = await startDashboard();
  await on(browser, first.url, { tolerated: CUT }, async (page) => {
    await isLive(page);
    assert.equal(await first.end(), 0);
    await says(connection(page), /stale|reconnecting/i);
    assert.ok((await circuits(page).count()) > 0, "what was seen last is still to be seen");
    const second = await startDashboard("--port", first.port, "--circuits", "3");
    try {
      await says(connection(page), /live/i, IN_TURN);
      await page.waitForFunction(() => document.querySelectorAll("[data-circuit]").length === 4);
    } finally {
      await second.end();
    }
  });
});

test("a page without room for it tries again until there is", async () => {
  await behindProxy(async (page, proxy) => {
    await isLive(page);
    proxy.refusing = true;
    proxy.cut();
    await says(connection(page), /stale|reconnecting/i);
    proxy.refusing = false;
    await says(connection(page), /live/i, IN_TURN);
  });
});

test("a page that hears nothing more says that it is stale", async () => {
  await behindProxy(async (page, proxy) => {
    await isLive(page);
    proxy.holding = true;
    await says(connection(page), /stale/i);
    await says(page.locator("#banner"), /^Stale: no news for \d+ s\. All numbers are of \d\d:\d\d:\d\d;/);
    proxy.holding = false;
    await says(connection(page), /live/i, IN_TURN);
  });
});

async function behindProxy(run) {
  const dashboard = await startDashboard();
  const proxy = await startProxy(dashboard.url);
  try {
    await on(browser, proxy.url, { tolerated: CUT }, (page) => run(page, proxy));
  } finally {
    await proxy.end();
    await dashboard.end();
  }
}
