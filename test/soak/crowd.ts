/** The clients of all hosts (crowd.py), and what became of them. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { PYTHON } from "../e2e/on-demand.ts";
import type { Conversation, Host, Topology } from "../e2e/topology.ts";
import { LineFile } from "./line-file.ts";
import type { Door, Result } from "./scenario.ts";

const CROWD = resolve(import.meta.dirname, "crowd.py");

/** One request or datagram. Times are milliseconds of the date. */
export interface Outcome {
  readonly door: string;
  /** When its connection was opened, or its socket. */
  readonly opened: number;
  readonly begin: number;
  readonly end: number;
  readonly result: Result;
  /** How often a segment had to be sent again until it was connected. */
  readonly resent?: number;
  readonly detail?: string;
}

export class Crowd {
  readonly #clients: Conversation[];
  readonly #outcomes: LineFile<Outcome>[];

  private constructor(clients: Conversation[], outcomes: LineFile<Outcome>[]) {
    this.#clients = clients;
    this.#outcomes = outcomes;
  }

  /** Lets them in; what becomes of them is written to files of `directory`. */
  static async come(topology: Topology, doors: readonly Door[], seed: number, directory: string): Promise<Crowd> {
    const hosts = [...new Set(doors.map(({ host }) => host))];
    const file = (host: Host, what: string): string => join(directory, `${what}-${host}.jsonl`);
    const clients: Conversation[] = [];
    for (const host of hosts) {
      const plan = { seed, out: file(host, "outcomes"), doors: doors.filter((door) => door.host === host) };
      await writeFile(file(host, "plan"), JSON.stringify(plan));
      clients.push(topology.converse(host, PYTHON, CROWD, file(host, "plan")));
    }
    return new Crowd(
      clients,
      hosts.map((host) => new LineFile<Outcome>(file(host, "outcomes"))),
    );
  }

  /** What is new since it was last asked. */
  async news(): Promise<Outcome[]> {
    const all = await Promise.all(this.#outcomes.map((each) => each.news()));
    return all.flat();
  }

  /** Nobody begins anything any more; resolves when all have left. */
  async leave(): Promise<void> {
    for (const client of this.#clients) client.hangUp();
    await Promise.all(this.#clients.map((client) => client.hear()));
  }
}
