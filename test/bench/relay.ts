/** relay.ts LISTEN TO [LISTEN TO]...: a TCP relay as one writes it in Node.js, net and pipe. */
import { connect, createServer } from "node:net";

const addresses = process.argv.slice(2).map((each) => {
  const [host = "", port = ""] = each.split(":");
  return { host, port: Number(port) };
});

for (let at = 0; at + 1 < addresses.length; at += 2) {
  const [listen, to] = addresses.slice(at, at + 2);
  if (listen === undefined || to === undefined) break;
  createServer({ noDelay: true }, (client) => {
    const service = connect({ ...to, noDelay: true });
    client.pipe(service).pipe(client);
    client.on("error", () => service.destroy());
    service.on("error", () => client.destroy());
  }).listen({ ...listen, backlog: 4096 });
}
