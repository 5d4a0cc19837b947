import type { ElementState, RulesetReader } from "../../netlink/netlink.ts";
import type { AddrPort } from "../../value/addr-port.ts";
import type { Protocol } from "../../value/protocol.ts";
import { keyBytes, keyText } from "./key.ts";
import type { Nft } from "./nft.ts";

/**
 * What the kernel notes at elements of the table: when an endpoint's last packet came, what gates turned away.
 *
 * The kernel is asked itself. Nft 1.0.6 first loads every set of every table for such a question: with 10,000 targets
 * that took 380 ms of CPU time each.
 */
export class ElementStates {
  readonly #table: string;
  readonly #nft: Nft;
  #reader: Pick<RulesetReader, "element"> | undefined;

  constructor(table: string, nft: Nft) {
    this.#table = table;
    this.#nft = nft;
  }

  /** Until then, and whenever it fails, the nft program is asked. */
  open(reader: Pick<RulesetReader, "element">): void {
    this.#reader = reader;
  }

  /** Remaining lifetime in ms of an element of a set with timeout; undefined when it is not there. @throws Fault NFT_…, TOOL_… */
  async expires(set: string, protocol: Protocol, address: AddrPort): Promise<number | undefined> {
    const answer = this.#ask(set, protocol, address);
    if (answer !== undefined) return answer.state?.expiresMs;
    return this.#nft.expires(this.#table, set, keyText(protocol, address));
  }

  /** What an element's counter has counted; 0 when it is not there. @throws Fault NFT_…, TOOL_… */
  async packets(set: string, protocol: Protocol, address: AddrPort): Promise<number> {
    const answer = this.#ask(set, protocol, address);
    if (answer !== undefined) return answer.state?.packets ?? 0;
    return this.#nft.packets(this.#table, set, keyText(protocol, address));
  }

  /** Undefined: there is no answer. */
  #ask(set: string, protocol: Protocol, address: AddrPort): { readonly state: ElementState | undefined } | undefined {
    if (this.#reader === undefined) return undefined;
    try {
      return { state: this.#reader.element(this.#table, set, keyBytes(protocol, address)) };
    } catch {
      return undefined;
    }
  }
}
