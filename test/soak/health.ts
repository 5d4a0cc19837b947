/** What the daemon has of the system: descriptors, threads, processes, memory. */
import { readdir, readFile, readlink } from "node:fs/promises";
import { join, resolve } from "node:path";
import { type Daemon, until } from "../e2e/daemon.ts";
import { LineFile } from "./line-file.ts";

const MEASURE = resolve(import.meta.dirname, "measure.cjs");

/** Memory in MiB. */
interface Sample {
  readonly pid: number;
  readonly time: number;
  /** What is left after a collection. */
  readonly heap: number;
  readonly rss: number;
}

interface Measured {
  readonly pid: number;
  readonly time: number;
  readonly heapUsed: number;
  readonly rss: number;
  readonly resources: Readonly<Record<string, number>>;
}

/** At rest: what must be the same whenever all is quiet. */
export interface Holdings {
  readonly descriptors: Readonly<Record<string, number>>;
  readonly threads: number;
  readonly children: readonly string[];
  /** What keeps the event loop busy: timers, sockets, processes. */
  readonly resources: Readonly<Record<string, number>>;
}

const MIB = 1024 * 1024;

export class Health {
  readonly samples: Sample[] = [];
  readonly #daemon: Daemon;
  readonly #file: LineFile<Measured>;
  #last: Measured | undefined;

  /** The daemon must be started with environment(). */
  constructor(daemon: Daemon, directory: string) {
    this.#daemon = daemon;
    this.#file = new LineFile(join(directory, "measures.jsonl"));
  }

  static environment(directory: string): string[] {
    return [`NODE_OPTIONS=--require=${MEASURE}`, `SOAK_MEASURE=${join(directory, "measures.jsonl")}`];
  }

  /** Keeps what the daemon's memory is now. */
  async sample(): Promise<void> {
    this.samples.push(await this.#measure());
  }

  /** Has the daemon collect its garbage and say what is left. */
  async #measure(): Promise<Sample> {
    const pid = this.#daemon.pid;
    const since = Date.now();
    this.#last = undefined;
    this.#daemon.signal("SIGURG");
    await until("the daemon's memory is measured", async () => {
      for (const each of await this.#file.news()) if (each.pid === pid && each.time >= since) this.#last = each;
      return this.#last !== undefined;
    });
    const { time, heapUsed, rss } = this.#measured();
    return { pid, time, heap: heapUsed / MIB, rss: rss / MIB };
  }

  #measured(): Measured {
    if (this.#last === undefined) throw new Error("nothing was measured");
    return this.#last;
  }

  async holdings(): Promise<Holdings> {
    await this.#measure();
    const root = `/proc/${String(this.#daemon.pid)}`;
    const status = await readFile(`${root}/status`, "utf8");
    return {
      descriptors: await descriptors(root),
      threads: Number(/^Threads:\s+(\d+)$/m.exec(status)?.[1]),
      children: await children(this.#daemon.pid),
      resources: this.#measured().resources,
    };
  }
}

/** How many of each sort. */
async function descriptors(root: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const number of await readdir(`${root}/fd`)) {
    const name = await readlink(`${root}/fd/${number}`).catch(() => undefined);
    if (name === undefined) continue;
    const sort = name.replace(/:\[\d+\]$/, "");
    counts[sort] = (counts[sort] ?? 0) + 1;
  }
  return Object.fromEntries(Object.entries(counts).sort());
}

async function children(pid: number): Promise<string[]> {
  const tasks = await readdir(`/proc/${String(pid)}/task`);
  const lists = await Promise.all(
    tasks.map((task) => readFile(`/proc/${String(pid)}/task/${task}/children`, "utf8").catch(() => "")),
  );
  const pids = lists.flatMap((list) => list.split(" ").filter((each) => each !== ""));
  const commands = await Promise.all(pids.map((each) => readFile(`/proc/${each}/cmdline`, "utf8").catch(() => "gone")));
  // services are held against the state of their targets
  const others = commands.map((each) => each.replaceAll("\0", " ").trim()).filter((each) => !each.includes("service.py"));
  return others.sort();
}
