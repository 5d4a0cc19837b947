import type { AddrPort } from "../value/addr-port.ts";
import { formatAddrPort, isWildcard } from "../value/addr-port.ts";
import type { Protocol } from "../value/protocol.ts";
import { quote } from "./nearest.ts";
import type { Report } from "./report.ts";
import type { DataplaneConfig } from "./types.ts";
import type { Path } from "./yaml-document.ts";

export interface Claimant {
  /** What to call the frontend. */
  readonly label: string;
  /** Tells frontends apart, whatever they are called: its index. */
  readonly owner: number;
  readonly path: Path;
}

interface Port {
  readonly byAddress: Map<string, { address: AddrPort; claimant: Claimant }>;
  wildcard: { address: AddrPort; claimant: Claimant } | undefined;
  /** Claims that are not wildcards, of at most two frontends: one of them is not the wildcard's. */
  readonly specific: { address: AddrPort; claimant: Claimant }[];
}

/** Which frontend listens where. Each claim is compared in constant time, by the rule of `overlaps` of AddrPort. */
export class ListenClaims {
  readonly #report: Report;
  readonly #mode: DataplaneConfig["wildcardOverlap"];
  readonly #ports = new Map<string, Port>();

  constructor(report: Report, mode: DataplaneConfig["wildcardOverlap"]) {
    this.#report = report;
    this.#mode = mode;
  }

  /** Notes a problem at the claimant's path when another frontend is in the way. */
  claim(protocol: Protocol, address: AddrPort, claimant: Claimant): void {
    const port = this.#port(`${protocol} ${address.family} ${address.port}`);
    const taken = port.byAddress.get(address.address);
    const text = `${protocol} ${formatAddrPort(address)}`;
    if (taken !== undefined) {
      const message = `${text} is already taken by frontend ${this.#place(taken.claimant)}; use another address or port`;
      this.#report.value(claimant.path, message);
      return;
    }
    const entry = { address, claimant };
    port.byAddress.set(address.address, entry);
    const rival = isWildcard(address) ? port.specific.find((each) => each.claimant.owner !== claimant.owner) : port.wildcard;
    if (this.#mode === "refuse" && rival !== undefined && rival.claimant.owner !== claimant.owner) {
      const other = `${formatAddrPort(rival.address)} of frontend ${this.#place(rival.claimant)}`;
      const message = `${text} overlaps with ${other}; use another port, or set "wildcard_overlap: specific-wins" under "dataplane" so that the more specific address wins`;
      this.#report.value(claimant.path, message);
    }
    if (isWildcard(address)) port.wildcard = entry;
    else if (port.specific.length < 2 && port.specific[0]?.claimant.owner !== claimant.owner) port.specific.push(entry);
  }

  #port(key: string): Port {
    const known = this.#ports.get(key);
    if (known !== undefined) return known;
    const port: Port = { byAddress: new Map(), wildcard: undefined, specific: [] };
    this.#ports.set(key, port);
    return port;
  }

  #place(claimant: Claimant): string {
    return `${quote(claimant.label)} (line ${this.#report.line(claimant.path)})`;
  }
}
