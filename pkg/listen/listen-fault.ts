import { Fault, hasCode } from "../fault/fault.ts";
import { type AddrPort, formatAddrPort } from "../value/addr-port.ts";

/** Fault LISTEN_FAILED: why `purpose` ("serve the page") cannot be done at an address, and what would help. */
export function listenFault(address: AddrPort, purpose: string, cause: unknown): Fault {
  const text = formatAddrPort(address);
  return new Fault("LISTEN_FAILED", `cannot ${purpose} on ${text}: ${whyNot(address, cause)}`, { cause });
}

function whyNot({ address, port }: AddrPort, error: unknown): string {
  if (hasCode(error, "EADDRINUSE")) {
    return `the address is in use (ss -ltnp 'sport = :${port}' shows by whom); stop that program, or change "listen"`;
  }
  if (hasCode(error, "EADDRNOTAVAIL")) {
    return `this machine has no address ${address} (now); add it to an interface, or change "listen"`;
  }
  if (hasCode(error, "EACCES"))
    return `no permission to listen on port ${port}; run proxygw as root or with CAP_NET_BIND_SERVICE`;
  return "the system refused";
}
