/** The fast path's interfaces, which come and go while the daemon runs; fast-path.ts has what they get. */
import { Fault, messageOf } from "../../fault/fault.ts";
import type { DataplaneConfig } from "../../config/types.ts";
import type { Log } from "../../log/log.ts";
import type { RulesetReader } from "../../netlink/netlink.ts";
import { type FastDevice, fastDeviceLine, fastPathProbe, LONGEST_FAST_MS } from "./fast-path.ts";
import type { Nft } from "./nft.ts";
import { restructureLines } from "./ruleset.ts";
import type { Sysctls } from "./sysctl.ts";
import type { Transactor } from "./transactor.ts";
import type { WholeTable } from "./whole-table.ts";

/** What conntrack gives a TCP flow that has left the fast path (nf_flow_table_core.c, flow_offload_fixup_ct). */
const ESTABLISHED_TIMEOUT = "net/netfilter/nf_conntrack_tcp_timeout_established";

/**
 * How long a flow may live by its policy to be let on the fast path, in ms; undefined: there is to be none. @throws Fault
 * FASTPATH_UNSUPPORTED when it is "on", and the kernel or nft has no such thing
 */
export async function findFastPath(
  wanted: DataplaneConfig["fastpath"],
  { nft, sysctls, log }: { readonly nft: Nft; readonly sysctls: Pick<Sysctls, "get">; readonly log: Log },
): Promise<number | undefined> {
  if (wanted === "off") return undefined;
  try {
    await nft.check(fastPathProbe("proxygw_probe"), "use flowtables");
  } catch (error) {
    if (wanted === "auto") {
      log.info("flows take no fast path: this kernel has no flowtables", { error: messageOf(error) });
      return undefined;
    }
    throw new Fault(
      "FASTPATH_UNSUPPORTED",
      'dataplane.fastpath is "on", but this kernel has no flowtables (CONFIG_NF_FLOW_TABLE_INET, CONFIG_NFT_FLOW_OFFLOAD): ' +
        'use a distribution\'s kernel, or write "auto" or "off"',
      { cause: error },
    );
  }
  const seconds = Number((await sysctls.get(ESTABLISHED_TIMEOUT)) ?? Number.NaN);
  return Number.isFinite(seconds) ? Math.min(LONGEST_FAST_MS, seconds * 1000) : LONGEST_FAST_MS;
}

export interface FastDevicesOptions {
  readonly table: string;
  readonly whole: WholeTable;
  readonly transactor: Transactor;
  readonly sysctls: Pick<Sysctls, "interfaces">;
  readonly log: Log;
}

export class FastDevices {
  readonly #options: FastDevicesOptions;
  readonly #numbers = new Map<string, number>();
  /** Interfaces that the kernel does not take, for as long as they are there. */
  readonly #refused = new Set<string>();

  constructor(options: FastDevicesOptions) {
    this.#options = options;
  }

  /** Gives the fast path to interfaces that have come. One that is refused is left out. */
  async follow(reader: RulesetReader | undefined): Promise<void> {
    const { log, transactor } = this.#options;
    const present = await this.#present();
    for (const name of this.#refused) if (!present.includes(name)) this.#refused.delete(name);
    const attached = await this.#attached(reader);
    for (const name of present) {
      if (attached.has(name) || this.#refused.has(name)) continue;
      const device = { name, number: this.#numberOf(name) };
      try {
        await transactor.submit(() => this.#adding(device), `give the interface "${name}" the fast path`);
        log.debug("packets of an interface take the fast path", { interface: name });
      } catch (error) {
        this.#refused.add(name);
        log.warn("packets of an interface cannot take the fast path", { interface: name, error: messageOf(error) });
      }
    }
  }

  /** With an interface, the kernel removes its chain. To be called before the table is compared, or made again. */
  async forgetGone(): Promise<void> {
    const { whole } = this.#options;
    if ((whole.spec?.fastPath ?? []).length === 0) return;
    const present = await this.#present();
    const { spec } = whole;
    const left = spec?.fastPath?.filter(({ name }) => present.includes(name));
    if (spec === undefined || left === undefined || left.length === spec.fastPath?.length) return;
    whole.spec = { ...spec, fastPath: left };
  }

  #adding(device: FastDevice): { readonly lines: string[]; readonly undo: () => void } {
    const { table, whole } = this.#options;
    const { spec } = whole;
    if (spec?.fastPath === undefined) return { lines: [], undo: () => undefined };
    const before = { ...spec, fastPath: spec.fastPath.filter(({ name }) => name !== device.name) };
    const after = { ...before, fastPath: [...before.fastPath, device] };
    whole.spec = after;
    return {
      lines: [fastDeviceLine(table, device), ...restructureLines(before, after)],
      undo: () => {
        whole.spec = before;
      },
    };
  }

  /** Names: an interface may have gone and come again since. */
  async #attached(reader: RulesetReader | undefined): Promise<Set<string>> {
    const { table, whole } = this.#options;
    const known = whole.spec?.fastPath ?? [];
    if (reader === undefined) return new Set(known.map(({ name }) => name));
    const parts = await reader.parts("inet", table);
    const devices = parts.find(({ kind, name }) => kind === "flowtable" && name === "fast")?.identity ?? "";
    const chains = new Set(parts.filter(({ kind }) => kind === "chain").map(({ name }) => name));
    const has = ({ name, number }: FastDevice): boolean =>
      chains.has(`ingress_${String(number)}`) && ["\0", "\x01"].some((before) => devices.includes(`${before}${name}\0`));
    return new Set(known.filter(has).map(({ name }) => name));
  }

  /** All but the loopback: what comes in there is not forwarded. */
  async #present(): Promise<string[]> {
    return (await this.#options.sysctls.interfaces("net/ipv4/conf")).filter((name) => name !== "lo");
  }

  #numberOf(name: string): number {
    const number = this.#numbers.get(name) ?? this.#numbers.size + 1;
    this.#numbers.set(name, number);
    return number;
  }
}
