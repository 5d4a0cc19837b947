/**
 * Three hosts made of network namespaces, for one test each:
 *
 *   client 10.77.1.2, fd77:1::2 ──── 10.77.1.1, fd77:1::1 gateway 10.77.2.1, fd77:2::1 ──── backend 10.77.2.2, fd77:2::2
 *                             eth0 · client                  backend · eth0
 *
 * The outer hosts have their default route through the gateway. It does not forward, unless a test makes it.
 */
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { paced } from "../pace.ts";

export const CLIENT = "10.77.1.2";
export const CLIENT6 = "fd77:1::2";
export const GATEWAY = "10.77.1.1";
export const GATEWAY6 = "fd77:1::1";
export const GATEWAY_INNER = "10.77.2.1";
export const BACKEND = "10.77.2.2";
export const BACKEND6 = "fd77:2::2";

export type Host = "client" | "gateway" | "backend";

let count = 0;

export interface Running {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  readonly ended: Promise<Ran>;
}

/** A program that is talked to line by line. */
export interface Conversation {
  say(line: string): void;
  /** Ends its input. */
  hangUp(): void;
  /** The next line that it prints. @throws when it has ended */
  hear(): Promise<string>;
}

export interface Ran {
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number | undefined;
}

export class Topology implements AsyncDisposable {
  readonly #prefix: string;
  readonly #running = new Set<Running>();

  private constructor(prefix: string) {
    this.#prefix = prefix;
  }

  static async create(): Promise<Topology> {
    const topology = new Topology(`pgw${String(process.pid)}x${String(count++)}`);
    const name = (host: Host): string => topology.namespace(host);
    const commands = [
      ...(["client", "gateway", "backend"] as const).flatMap((host) => [
        `ip netns add ${name(host)}`,
        `ip -n ${name(host)} link set lo up`,
        // no duplicate address detection: addresses are usable at once
        `ip netns exec ${name(host)} sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0`,
      ]),
      ...(["client", "backend"] as const).flatMap((host) => {
        const net = host === "client" ? "1" : "2";
        return [
          `ip -n ${name("gateway")} link add ${host} type veth peer name eth0 netns ${name(host)}`,
          `ip -n ${name("gateway")} addr add 10.77.${net}.1/24 dev ${host}`,
          `ip -n ${name("gateway")} addr add fd77:${net}::1/64 dev ${host} nodad`,
          `ip -n ${name("gateway")} link set ${host} up`,
          `ip -n ${name(host)} addr add 10.77.${net}.2/24 dev eth0`,
          `ip -n ${name(host)} addr add fd77:${net}::2/64 dev eth0 nodad`,
          `ip -n ${name(host)} link set eth0 up`,
          `ip -n ${name(host)} route add default via 10.77.${net}.1`,
          `ip -n ${name(host)} -6 route add default via fd77:${net}::1`,
        ];
      }),
    ];
    await execa("sh", ["-ec", commands.join("\n")]);
    return topology;
  }

  namespace(host: Host): string {
    return `${this.#prefix}-${host}`;
  }

  /** Runs a program on a host to its end; never throws because of its exit status. */
  async run(host: Host, file: string, ...args: string[]): Promise<Ran> {
    const { stdout, stderr, exitCode } = await execa("ip", ["netns", "exec", this.namespace(host), file, ...args], {
      reject: false,
      timeout: paced(30_000),
      stdin: "ignore",
    });
    return { stdout, stderr, exitCode };
  }

  /** As run() with a shell; throws when it fails. */
  async shell(host: Host, script: string): Promise<string> {
    const { stdout } = await execa("ip", ["netns", "exec", this.namespace(host), "sh", "-ec", script], {
      timeout: paced(30_000),
      stdin: "ignore",
    });
    return stdout;
  }

  /** Starts a program on a host; it is killed with the topology. */
  start(host: Host, file: string, args: readonly string[]): Running {
    const child = execa("ip", ["netns", "exec", this.namespace(host), file, ...args], {
      reject: false,
      stdin: "ignore",
      // a daemon that takes its time on a busy machine is not killed for it
      forceKillAfterDelay: false,
    });
    const ended = child.then(({ stdout, stderr, exitCode }) => {
      this.#running.delete(running);
      return { stdout, stderr, exitCode };
    });
    const running: Running = { pid: child.pid ?? 0, kill: (signal) => child.kill(signal), ended };
    this.#running.add(running);
    return running;
  }

  /** As start(), for a program whose input and output the test has in its hands. */
  converse(host: Host, file: string, ...args: string[]): Conversation {
    const child = execa("ip", ["netns", "exec", this.namespace(host), file, ...args], { reject: false });
    const ended = child.then(({ stdout, stderr, exitCode }) => {
      this.#running.delete(running);
      return { stdout, stderr, exitCode };
    });
    const running: Running = { pid: child.pid ?? 0, kill: (signal) => child.kill(signal), ended };
    this.#running.add(running);
    const lines = child.iterable();
    return {
      say: (line) => child.stdin.write(`${line}\n`),
      hangUp: () => child.stdin.end(),
      hear: async () => {
        const { value, done } = (await lines.next()) as IteratorResult<string, unknown>;
        if (done === true) throw new Error(`${file} has ended`);
        return value;
      },
    };
  }

  /** Processes on a host whose command line has `part` in it. */
  async processes(host: Host, part: string): Promise<number[]> {
    const { stdout } = await execa("ip", ["netns", "pids", this.namespace(host)], { reject: false });
    const pids = stdout.split("\n").filter((each) => each !== "");
    const commands = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
    return pids.filter((_pid, at) => commands[at]?.replaceAll("\0", " ").includes(part)).map(Number);
  }

  /** Every process on a host, whoever started it. */
  async killAll(host: Host): Promise<void> {
    const { stdout } = await execa("ip", ["netns", "pids", this.namespace(host)], { reject: false });
    for (const pid of stdout.split("\n").filter((each) => each !== "")) killIfThere(Number(pid));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = [...this.#running];
    for (const child of running) child.kill("SIGKILL");
    const hosts = ["client", "gateway", "backend"] as const;
    // with whatever they left running there, which may hold their output open
    for (const host of hosts) await this.killAll(host);
    await Promise.all(running.map(({ ended }) => ended));
    for (const host of hosts) {
      await execa("ip", ["netns", "del", this.namespace(host)], { reject: false });
    }
  }
}

function killIfThere(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
