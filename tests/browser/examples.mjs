// The examples of the repository, as processes whose page is opened.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { SOON } from "./browser.mjs";

// What was started ends with this process, also where somebody ends it.
process.once("SIGTERM", () => process.exit(1));

export const TOKEN = "a-token-for-the-browser-test";

/** A name that does harm wherever it is not taken for text. */
export const HOSTILE = "</script><img src=x onerror=alert(1)>\"'&{{7*7}}";

/** Starts an example and waits until it has said where its page is. */
export async function start(example, flags = [], environment = {}) {
  const child = spawn(join(process.env.EXAMPLES, example), flags, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const kill = () => child.kill("SIGKILL");
  process.once("exit", kill);
  const ended = once(child, "exit").then(([code, signal]) => code ?? signal);
  const said = {};
  const lines = createInterface(child.stdout);
  const address = new Promise((resolve) => {
    lines.on("line", (line) => {
      const [, what, value] = /^([a-z ]+): (\S+)/.exec(line) ?? [];
      said[what] ??= value;
      if (what === "live page") {
        resolve(value);
      }
    });
  });
  const failed = ended.then((how) => Promise.reject(new Error(`${example} ended with ${how}`)));
  // It is meant to end some time.
  failed.catch(() => {});
  const url = await Promise.race([address, failed]);
  return {
    url,
    said,
    port: new URL(url).port,
    /** Ends it as Ctrl-C does, and returns its exit code, or how it had to be ended. */
    async end() {
      child.kill("SIGINT");
      const impatience = setTimeout(kill, SOON);
      const how = await ended;
      clearTimeout(impatience);
      process.off("exit", kill);
      return how;
    },
  };
}

/** Starts the example with a page over dependencies that fail in turn; it has controls. */
export const startDashboard = (...flags) =>
  start("dashboard", ["--outage", "4", "--name", HOSTILE, ...flags], { OPERATOR_TOKEN: TOKEN });
