// What stands where on the page.

import { SOON } from "./browser.mjs";

const quoted = (name) => `"${name.replace(/["\\]/g, "\\$&")}"`;

export const circuit = (page, name) => page.locator(`[data-circuit=${quoted(name)}]`);
export const circuits = (page) => page.locator("[data-circuit]");
export const field = (circuit, name) => circuit.locator(`[data-field="${name}"]`);
export const connection = (page) => page.locator("#connection");
export const filter = (page) => page.getByRole("searchbox", { name: "Filter circuits", exact: true });
export const details = (page) => page.locator("#details");
export const section = (page, name) => details(page).locator(`[data-section="${name}"]`);

export const setting = (page, path) => section(page, "settings").locator("tbody tr", { hasText: path });

export async function isLive(page) {
  await says(connection(page), /live/i);
  await circuits(page).first().waitFor();
}

/** Waits until an element says what is expected. */
export async function says(locator, pattern, timeout = SOON) {
  await locator.filter({ hasText: pattern }).first().waitFor({ timeout });
}

/** Waits until a circuit is in a state. */
export const isIn = (circuit, state, timeout = SOON) =>
  circuit.and(circuit.page().locator(`[data-state="${state}"]`)).waitFor({ timeout });

/** Waits for a circuit in a state, and returns its name. */
export async function anyIn(page, state, timeout = SOON) {
  const found = page.locator(`[data-circuit][data-state="${state}"]`).first();
  await found.waitFor({ timeout });
  return found.getAttribute("data-circuit");
}

export async function openDetails(page, name) {
  const button = circuit(page, name).getByRole("button", { name: `Details of ${name}`, exact: true });
  await button.click();
  await details(page).waitFor();
}

/** Answers yes to what the page asks before it does harm. */
export const confirm = (page) => page.locator('#confirm button[value="yes"]').click();
