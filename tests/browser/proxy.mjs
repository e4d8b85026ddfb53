// A proxy that serves a page below another path, and can stand in its way.

import { createServer, request } from "node:http";
import { once } from "node:events";

/**
 * Starts one that strips `prefix`, as ingresses do. Set `refusing` to answer streams with 503, and `holding` to
 * let them go on without a word.
 */
export async function startProxy(target, prefix = "") {
  const proxy = { refusing: false, holding: false };
  const open = new Set();
  const server = createServer((asked, answer) => {
    const isStream = asked.url.endsWith("/stream");
    if (!asked.url.startsWith(prefix) || (isStream && proxy.refusing)) {
      answer.writeHead(isStream ? 503 : 404).end();
      return;
    }
    // The page's own address may end with a slash or not.
    const path = asked.url.slice(prefix.length).replace(/^\//, "");
    const { host, ...headers } = asked.headers;
    const passedOn = request(new URL(path, target), { method: asked.method, headers }, (got) => {
      answer.writeHead(got.statusCode, got.headers);
      got.on("data", (chunk) => (isStream && proxy.holding) || answer.write(chunk));
      got.on("end", () => answer.end());
    });
    passedOn.on("error", () => answer.destroy());
    answer.on("close", () => passedOn.destroy());
    asked.pipe(passedOn);
  });
  server.on("connection", (socket) => {
    open.add(socket);
    socket.on("close", () => open.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}${prefix}`;
  /** Cuts all connections; new ones are taken. */
  proxy.cut = () => open.forEach((socket) => socket.destroy());
  proxy.end = async () => {
    server.close();
    proxy.cut();
  };
  return proxy;
}
