/**
 * The virtual machine that the tests of this folder have to themselves, and a client beside it:
 *
 *   machine 10.77.1.1, fd77:1::1 ──── 10.77.1.2, fd77:1::2 namespace "client"
 *         client                     eth0
 */
import { readFile } from "node:fs/promises";
import { execa } from "execa";
import { paced } from "../pace.ts";
import { KEEP, PYTHON } from "../e2e/on-demand.ts";
import type { Ran } from "../e2e/topology.ts";

/** @throws anywhere but in a machine of test/vm/run.sh: what these tests do to a system is not to be undone */
export async function inMachine(): Promise<void> {
  const parameters = await readFile("/proc/cmdline", "utf8");
  if (!parameters.includes(" vm.work=")) throw new Error("these tests take a whole machine: run them with make test-vm");
}

/** Runs a program to its end; never throws because of its exit status. */
export async function run(file: string, ...args: string[]): Promise<Ran> {
  const { stdout, stderr, exitCode } = await execa(file, args, { reject: false, timeout: paced(30_000), stdin: "ignore" });
  return { stdout, stderr, exitCode };
}

/** As run(), with what it printed. @throws when it fails */
export async function output(file: string, ...args: string[]): Promise<string> {
  return outputWithin(paced(30_000), file, ...args);
}

/** As output(), for a program that may take long: so many milliseconds. */
export async function outputWithin(timeout: number, file: string, ...args: string[]): Promise<string> {
  const { stdout } = await execa(file, args, { timeout, stdin: "ignore" });
  return stdout;
}

export async function addClient(): Promise<void> {
  const commands = [
    "ip netns add client",
    "ip -n client link set lo up",
    "ip link add client type veth peer name eth0 netns client",
    "ip addr add 10.77.1.1/24 dev client",
    "ip addr add fd77:1::1/64 dev client nodad",
    "ip link set client up",
    "ip -n client addr add 10.77.1.2/24 dev eth0",
    "ip -n client addr add fd77:1::2/64 dev eth0 nodad",
    "ip -n client link set eth0 up",
  ];
  await output("sh", "-ec", commands.join("\n"));
}

export async function removeClient(): Promise<void> {
  await run("ip", "netns", "del", "client");
}

/** The answer to one HTTP request of the client's; "" when there was none. */
export async function get(url: string): Promise<string> {
  const seconds = String(paced(8_000) / 1000);
  return (await run("ip", "netns", "exec", "client", "curl", "-sg", "--max-time", seconds, url)).stdout;
}

/** The client's program that keeps a connection (keep.py) is talked to line by line. */
export class Keeper {
  readonly #child;
  readonly #lines: AsyncIterator<unknown, undefined>;

  constructor(address: string, port: number) {
    this.#child = execa("ip", ["netns", "exec", "client", PYTHON, KEEP, address, String(port)], { reject: false });
    this.#lines = this.#child.iterable();
  }

  /** Its first answer, or that to a further request. @throws when it has ended */
  async hear(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the client has ended");
    return String(value);
  }

  again(): Promise<string> {
    this.#child.stdin.write("again\n");
    return this.hear();
  }

  end(): void {
    this.#child.kill("SIGKILL");
  }
}
