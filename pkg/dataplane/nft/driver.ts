/** The nftables driver: implements Dataplane with the nft and conntrack programs and one table of its own. */
import { join } from "node:path";
import type { DataplaneConfig } from "../../config/types.ts";
import { collected, Fault, hasCode } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import type { ToolRunner } from "../../process/process.ts";
import type { Dataplane, Group, GroupSpec, Needs } from "../dataplane.ts";
import { MappingClaims } from "../mapping-claims.ts";
import { Conntrack } from "./conntrack.ts";
import { NftGroup } from "./group.ts";
import { Nft } from "./nft.ts";
import { probe, type ProbeHost } from "./probe.ts";
import { deleteTableText, tableText } from "./ruleset.ts";
import { Sysctls } from "./sysctl.ts";
import { applySystem, isNeeded, planSystem } from "./system-settings.ts";
import { TableContent } from "./table-content.ts";
import { TableLock } from "./table-lock.ts";
import { Transactor } from "./transactor.ts";

export interface NftDataplaneOptions {
  readonly config: DataplaneConfig;
  /** Exists; keeps the former values of sysctls. */
  readonly runtimeDir: string;
  readonly tools: ToolRunner;
  readonly host: ProbeHost;
  readonly log: Log;
  /** Root of the kernel's settings, default /proc/sys. */
  readonly sysctlRoot?: string;
}

export class NftDataplane implements Dataplane {
  readonly #options: NftDataplaneOptions;
  readonly #nft: Nft;
  readonly #conntrack: Conntrack;
  readonly #lock: TableLock;
  readonly #sysctls: Sysctls;
  readonly #transactor: Transactor;
  readonly #content: TableContent;
  readonly #claims: MappingClaims;
  readonly #groups = new Map<string, NftGroup>();
  #state: "new" | "started" | "closed" = "new";
  /** What start() acquired, to be released last one first. */
  #releases: (() => Promise<void>)[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: NftDataplaneOptions) {
    this.#options = options;
    this.#nft = new Nft(options.tools);
    this.#conntrack = new Conntrack(options.tools);
    this.#lock = new TableLock(options.config.table);
    this.#sysctls = new Sysctls({
      log: options.log,
      manage: options.config.manageSysctls,
      stateFile: join(options.runtimeDir, "sysctls.json"),
      ...(options.sysctlRoot === undefined ? {} : { root: options.sysctlRoot }),
    });
    this.#transactor = new Transactor(this.#nft);
    this.#claims = new MappingClaims(options.config.wildcardOverlap);
    this.#content = new TableContent(options.config.table);
  }

  async start(needs: Needs, signal?: AbortSignal): Promise<void> {
    if (this.#state !== "new") throw new Fault("DATAPLANE_CLOSED", "the dataplane can be started once");
    try {
      await this.#acquire(needs, signal);
      this.#state = "started";
    } catch (error) {
      try {
        await this.close();
      } catch (releaseError) {
        throw new AggregateError([error, releaseError], "");
      }
      throw error;
    }
  }

  async #acquire(needs: Needs, signal?: AbortSignal): Promise<void> {
    const { table, masqueradeMark } = this.#options.config;
    await probe(this.#options.tools, this.#options.host, signal);
    await this.#lock.acquire();
    this.#releases.push(() => this.#lock.release());
    await this.#sysctls.recover();
    await this.#sysctls.restore((key) => !isNeeded(key, needs));
    const plan = await planSystem(this.#sysctls, needs);
    this.#sysctls.refuseUnmanaged(plan.lacking);
    // the guards are in force before the settings that need them, and until those are put back
    this.#releases.push(() => this.#deleteTable());
    this.#releases.push(() => this.#sysctls.restore());
    await this.#nft.apply(
      tableText({
        table,
        masqueradeMark,
        loopbackGuard: needs.routeLocalnet,
        forwardGuardIPv4: plan.forwardedIPv4,
        forwardGuardIPv6: plan.forwardedIPv6,
      }),
      `create the table "inet ${table}"`,
      signal,
    );
    await applySystem(this.#sysctls, plan);
  }

  async createGroup(spec: GroupSpec): Promise<Group> {
    if (this.#state !== "started") throw new Fault("DATAPLANE_CLOSED", "the dataplane is not running");
    if (this.#groups.has(spec.name)) throw new Fault("GROUP_EXISTS", `there is a group "${spec.name}" already`);
    const group = new NftGroup(spec, {
      table: this.#options.config.table,
      claims: this.#claims,
      nft: this.#nft,
      conntrack: this.#conntrack,
      transactor: this.#transactor,
      content: this.#content,
      onClose: () => this.#groups.delete(spec.name),
    });
    this.#groups.set(spec.name, group);
    try {
      await group.open();
    } catch (error) {
      this.#groups.delete(spec.name);
      throw error;
    }
    return group;
  }

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    this.#state = "closed";
    const failures: unknown[] = [];
    for (const release of this.#releases.reverse()) {
      try {
        await release();
      } catch (error) {
        failures.push(error);
      }
    }
    this.#releases = [];
    if (failures.length > 0) throw collected(failures, "the dataplane could not be closed cleanly") as Error;
  }

  async #deleteTable(): Promise<void> {
    const { table } = this.#options.config;
    try {
      await this.#nft.apply(deleteTableText(table), `delete the table "inet ${table}"`);
    } catch (error) {
      if (!hasCode(error, "NFT_NOT_FOUND")) throw error;
    }
  }
}
