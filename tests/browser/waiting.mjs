// Waiting for what a locator cannot say.

import { SOON } from "./browser.mjs";

/** Tries until an assertion holds, and fails as it does in the end. */
export async function eventually(holds, patience = SOON) {
  const deadline = performance.now() + patience;
  for (;;) {
    try {
      return await holds();
    } catch (error) {
      if (performance.now() > deadline) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Waits until the server has sent as many messages to a subscriber of our own. */
export async function messages(url, count) {
  const abort = new AbortController();
  const { body } = await fetch(new URL("stream", url), { signal: abort.signal });
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    const whole = text.split("\n\n").filter((message) => /^data:/m.test(message));
    if (whole.length > count) {
      break;
    }
  }
  abort.abort();
}
