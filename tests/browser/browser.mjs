// Chromium, and pages in it that are watched for anything they should not do.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { chromium } = require("playwright-core");

const FLAGS = [
  // CI runs as root, and in a container that is its own sandbox.
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** How long anything may take that is to happen at once. */
export const SOON = 15_000;
/** How long the dependencies take until each has had its outage, and more. */
export const IN_TURN = 60_000;

export const launch = () => chromium.launch({ executablePath: "/usr/bin/chromium", args: FLAGS });

/** Opens a page of its own context. `tolerated` says which complaints are meant to be. */
export async function open(browser, url, { tolerated = /^$/, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const complaints = [];
  const complain = (what) => tolerated.test(what) || complaints.push(what);
  const { origin } = new URL(url);
  context.on("request", (request) => {
    if (!request.url().startsWith("data:") && new URL(request.url()).origin !== origin) {
      complain(`request to ${request.url()}`);
    }
  });
  context.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) {
      complain(`${message.type()}: ${message.text()}`);
    }
  });
  context.on("weberror", (thrown) => complain(`thrown: ${thrown.error().stack}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (violation) => {
      console.error(`policy violated: ${violation.effectiveDirective} by ${violation.blockedURI}`);
    });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(SOON);
  page.on("dialog", async (dialog) => {
    complain(`dialog: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(url);
  return {
    page,
    async close() {
      await context.close();
      assert.deepEqual(complaints, [], "complaints of the browser");
    },
  };
}

/** Runs a test on a page that is closed afterwards, however it ends. */
export async function on(browser, url, options, test) {
  const { page, close } = await open(browser, url, options);
  try {
    await test(page);
  } catch (error) {
    const shot = `${process.env.SCREENSHOTS}/failed-${process.pid}.png`;
    await page.screenshot({ path: shot, fullPage: true }).catch(() => {});
    console.error(`see ${shot}`);
    // What the browser said may say why.
    await close().catch((complained) => console.error(complained.message));
    throw error;
  }
  await close();
}
