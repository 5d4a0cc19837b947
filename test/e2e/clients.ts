/** Clients of the services of on-demand.ts, and what becomes of them. */
import { expect } from "vitest";
import { IS_SLOW, paced } from "../pace.ts";
import { BURST, DATAGRAMS, KEEP, PYTHON, STEADY } from "./on-demand.ts";
import type { Host, Topology } from "./topology.ts";

/** What curl says when nobody listens, and when it had to give up. */
const REFUSED = 7;
const TIMED_OUT = 28;

export interface Visit {
  /** The client's address as the service saw it; empty when there was no answer. */
  readonly answer: string;
  readonly outcome: "served" | "refused" | "timed out" | `exit ${string}`;
  readonly ms: number;
}

/** One connection, once; `source`: from that one of the host's addresses. */
export async function visit(topology: Topology, host: Host, address: string, port: number, source?: string): Promise<Visit> {
  const url = `http://${address.includes(":") ? `[${address}]` : address}:${String(port)}/`;
  const from = source === undefined ? [] : ["--interface", source];
  const begun = performance.now();
  const { stdout, exitCode } = await topology.run(host, "curl", "-sg", "--max-time", String(paced(10)), ...from, url);
  return { answer: stdout.trim(), outcome: outcomeOf(exitCode), ms: performance.now() - begun };
}

function outcomeOf(exitCode: number | undefined): Visit["outcome"] {
  if (exitCode === 0) return "served";
  if (exitCode === REFUSED) return "refused";
  return exitCode === TIMED_OUT ? "timed out" : `exit ${String(exitCode)}`;
}

/** Many at once over one or more ports: how many got which answer or error. */
export async function burst(
  topology: Topology,
  host: Host,
  count: number,
  address: string,
  port: number,
  lastPort = port,
): Promise<{ answers: Record<string, number>; seconds: number }> {
  const args = [String(count), address, String(port), String(lastPort)];
  const { stdout, stderr } = await topology.run(host, PYTHON, BURST, ...args);
  expect(stderr).toBe("");
  return JSON.parse(stdout) as { answers: Record<string, number>; seconds: number };
}

/** Sends datagrams back to back from one socket; gives the answers, or errors, as lines. */
export async function datagrams(topology: Topology, host: Host, address: string, port: number, count: number): Promise<string[]> {
  const { stdout } = await topology.run(host, PYTHON, DATAGRAMS, address, String(port), String(count));
  return stdout === "" ? [] : stdout.split("\n");
}

/** Requests without a pause, each on a connection of its own. */
export interface SteadyClients {
  /** How often each answer or error came, and the longest time that one took. */
  end(): Promise<{ outcomes: Record<string, number>; slowest: number }>;
}

/** Begins the command of clients that never pause: in an emulated machine the daemon would hardly get its turn. */
export const NEVER_PAUSING: readonly string[] = IS_SLOW ? ["nice", "-n", "19"] : [];

/** Resolves when the first one is answered. */
export async function steady(topology: Topology, workers: number, address: string, ...ports: number[]): Promise<SteadyClients> {
  const [file, ...before] = [...NEVER_PAUSING, PYTHON];
  const client = topology.converse("client", file, ...before, STEADY, String(workers), address, ...ports.map(String));
  expect(await client.hear()).toBe("begun");
  return {
    end: async () => {
      client.hangUp();
      return JSON.parse(await client.hear()) as { outcomes: Record<string, number>; slowest: number };
    },
  };
}

/** One connection that stays open, and has its first answer. */
export async function keptOpen(topology: Topology, address: string, port: number): Promise<{ ask(): Promise<string> }> {
  const client = topology.converse("client", PYTHON, KEEP, address, String(port));
  await client.hear();
  return {
    ask: () => {
      client.say("again");
      return client.hear();
    },
  };
}
