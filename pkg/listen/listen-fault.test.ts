import { describe, expect, it } from "vitest";
import { parseAddrPort } from "../value/addr-port.ts";
import { listenFault } from "./listen-fault.ts";

describe("listenFault", () => {
  it.each([
    ["EADDRINUSE", "the address is in use (ss -ltnp 'sport = :80' shows by whom); stop that program"],
    ["EADDRNOTAVAIL", "this machine has no address 192.0.2.1 (now); add it to an interface"],
    ["EACCES", "no permission to listen on port 80; run proxygw as root or with CAP_NET_BIND_SERVICE"],
    ["ENOBUFS", "the system refused"],
  ])("explains %s", (code, why) => {
    const cause = Object.assign(new Error("listen"), { code });
    expect(listenFault(parseAddrPort("192.0.2.1:80"), "serve the page", cause)).toMatchObject({
      code: "LISTEN_FAILED",
      message: expect.stringContaining(`cannot serve the page on 192.0.2.1:80: ${why}`) as string,
      cause,
    });
  });
});
