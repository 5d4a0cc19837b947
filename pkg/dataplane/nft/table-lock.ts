import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import type { Clock } from "../../clock/clock.ts";
import { Fault, hasCode } from "../../fault/fault.ts";
import type { Log } from "../../log/log.ts";
import { abstractPeer, type Peer } from "../../netlink/peer.ts";

/** One line for each Unix socket of this network namespace, the names of abstract ones after an @: proc(5). */
const SOCKETS = "/proc/self/net/unix";

/** How often, and after which pause, somebody is asked again who has no room for the question. */
const ASK_TRIES = 5;
const ASK_PAUSE_MS = 50;

export const OWN_TABLE_REMEDY =
  "stop it, or give this one its own with dataplane.table, dataplane.queue, dataplane.queue_mark, runtime_dir and plugins.ctl.socket";

export interface TableLockOptions {
  readonly table: string;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Says "this table has an owner" for as long as the owner lives: an abstract Unix socket (unix(7)) belongs to the
 * network namespace, as the table does, and goes with its process however that ends.
 *
 * Any user may take an abstract name, so none is the lock by itself: each daemon listens on a name of its own that
 * begins with the table's, and only those of root, and of the user that this daemon runs as, count.
 */
export class TableLock {
  readonly #options: TableLockOptions;
  readonly #prefix: string;
  #server: Server | undefined;

  constructor(options: TableLockOptions) {
    this.#options = options;
    this.#prefix = `proxygw/${options.table}/`;
  }

  /** @throws Fault TABLE_IN_USE, with the owner's pid */
  async acquire(): Promise<void> {
    const own = `${this.#prefix}${process.pid}-${randomBytes(8).toString("hex")}`;
    // before looking for others: of two that start at once, at least one sees the other
    this.#server = await listen(own);
    try {
      const owner = await this.owner(own);
      if (owner !== undefined) throw taken(this.#options.table, owner);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Who has the table, without taking it; undefined: nobody. "unaskable": a daemon that does not tell its pid. `own` does not count. */
  async owner(own?: string): Promise<Peer | "unaskable" | undefined> {
    for (const name of await this.#others(own)) {
      const peer = await this.#ask(name);
      if (peer !== undefined) return peer;
    }
    return undefined;
  }

  async #others(own: string | undefined): Promise<string[]> {
    const lines = (await readFile(SOCKETS, "latin1")).split("\n");
    // shown with an @ for each zero byte: the first is what makes a name abstract, and libuv fills up with more of them
    const names = lines.flatMap((line) => / @(\S+)$/.exec(line)?.[1]?.replaceAll("@", "\0") ?? []);
    return [...new Set(names)].filter((name) => name.startsWith(this.#prefix) && name.replace(/\0+$/, "") !== own);
  }

  /** The daemon that holds `name`, if any does. */
  async #ask(name: string): Promise<Peer | "unaskable" | undefined> {
    const { clock, log, table } = this.#options;
    let peer = await peerOf(name);
    for (let left = ASK_TRIES; left > 0 && peer === "unknown"; left--) {
      await clock.sleep(ASK_PAUSE_MS);
      peer = await peerOf(name);
    }
    if (peer === undefined) return undefined;
    // a daemon accepts at once: whoever lets the question wait is none
    if (peer === "unknown" || (peer !== "unaskable" && peer.uid !== 0 && peer.uid !== process.geteuid?.())) {
      const fields = peer === "unknown" ? {} : { pid: peer.pid, uid: peer.uid };
      log.warn("somebody who is not root pretends to own the table; going on", { table, ...fields });
      return undefined;
    }
    return peer;
  }

  async release(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server !== undefined)
      await new Promise<void>((resolve) =>
        server.close(() => {
          resolve();
        }),
      );
  }
}

function taken(table: string, peer: Peer | "unaskable"): Fault {
  const owner = peer === "unaskable" ? "another proxygw" : `another proxygw (pid ${peer.pid})`;
  return new Fault("TABLE_IN_USE", `${owner} owns the table "inet ${table}": ${OWN_TABLE_REMEDY}`);
}

/** "unaskable": without foreign functions nobody's credentials can be asked for. */
async function peerOf(name: string): Promise<Peer | "unknown" | "unaskable" | undefined> {
  try {
    return await abstractPeer(name);
  } catch (error) {
    if (hasCode(error, "FFI_UNAVAILABLE")) return "unaskable";
    throw error;
  }
}

function listen(name: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.destroy();
  });
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(`\0${name}`, () => {
      server.unref();
      resolve(server);
    });
  });
}
