/**
 * Holds what became of clients, and what the daemon complained of, against the faults that there were: an error is explained only by a
 * fault that was there while the client was, and that is allowed to cause just that.
 */
import type { Outcome } from "./crowd.ts";
import type { Complaint, Journal } from "./journal.ts";
import type { Door, Result } from "./scenario.ts";

/** What clients may see of a fault, while it lasts. */
export interface Explanation {
  readonly results: readonly Result[];
  readonly protocol?: Door["protocol"];
  /** Only at doors where the daemon itself serves a page. */
  readonly pages?: true;
  /** Not by clients whose target was active when they came: the kernel has these to itself. */
  readonly cold?: true;
}

export interface FaultKind {
  readonly name: string;
  readonly explains: readonly Explanation[];
  /** What the daemon may complain of. */
  readonly complaints: readonly RegExp[];
  /** Services may fail or not get ready: what is refused until the next try is explained as well. */
  readonly failsTargets?: true;
  /** Flows that exist lose their flow_timeout: their policies go with the table. */
  readonly losesTimeouts?: true;
}

/** A fault and its time. */
export interface Window {
  readonly kind: FaultKind;
  readonly from: number;
  /** Undefined while it lasts. */
  to: number | undefined;
  /** Whom it concerns, if not all. */
  targets: ReadonlySet<string> | undefined;
}

export interface Problem {
  readonly time: number;
  readonly text: string;
}

/** Around a state's change in the log: the packet path changes a little before or after it is written. */
const MARGIN_MS = 150;
/** What a fault leads to may come a little later, on a machine that has much to do. */
const AFTER_MS = 1000;
/** A lost SYN is sent again after a second (RFC 6298); what is sent again sooner was not lost on its way. */
const SYN_MS = 900;

export class Ledger {
  readonly windows: Window[] = [];
  readonly #doors: ReadonlyMap<string, Door>;
  readonly #journal: Journal;
  readonly #suspects: Outcome[] = [];
  readonly perDoor = new Map<string, number>();
  /** How often each result was explained by each fault. */
  readonly explained = new Map<string, Map<string, number>>();
  count = 0;
  /** Of these, while there was no fault. */
  clear = 0;

  constructor(doors: readonly Door[], journal: Journal) {
    this.#doors = new Map(doors.map((door) => [door.name, door]));
    this.#journal = journal;
  }

  begin(kind: FaultKind, now: number): Window {
    const window: Window = { kind, from: now, to: undefined, targets: undefined };
    this.windows.push(window);
    return window;
  }

  take(outcomes: readonly Outcome[]): void {
    for (const outcome of outcomes) {
      this.count++;
      const { opened, end } = outcome;
      if (!this.windows.some(({ from, to = Infinity }) => opened <= to + AFTER_MS && end >= from)) this.clear++;
      const isPlain = outcome.result === "ok" && outcome.resent === undefined;
      if (outcome.result === "ok") this.perDoor.set(outcome.door, (this.perDoor.get(outcome.door) ?? 0) + 1);
      if (!isPlain || outcome.end - outcome.begin > this.#door(outcome).late) this.#suspects.push(outcome);
    }
  }

  /** All that no fault explains, by what is known so far. */
  problems(): Problem[] {
    this.explained.clear();
    const failures = this.#failures();
    return [
      ...this.#suspects.flatMap((outcome) => this.#judge(outcome, failures) ?? []),
      ...this.#journal.complaints.flatMap((complaint) => this.#judgeComplaint(complaint) ?? []),
    ];
  }

  #door({ door }: Outcome): Door {
    const found = this.#doors.get(door);
    if (found === undefined) throw new Error(`there is no door "${door}"`);
    return found;
  }

  #judge(outcome: Outcome, failures: readonly Window[]): Problem | undefined {
    const door = this.#door(outcome);
    const result = this.#resultOf(outcome, door);
    if (result === "ok" || door.normal.includes(result)) return undefined;
    const window = [...this.windows, ...failures].find((each) => this.#explains(each, outcome, door, result));
    if (window === undefined) {
      const { opened, begin, end, detail = "" } = outcome;
      const times = `opened ${clock(opened)}, begun ${clock(begin)}, after ${String(end - begin)} ms`;
      return { time: end, text: `client ${door.name} at ${door.address}: ${result} ${detail} (${times})` };
    }
    const results = this.explained.get(window.kind.name) ?? new Map<string, number>();
    results.set(result, (results.get(result) ?? 0) + 1);
    this.explained.set(window.kind.name, results);
    return undefined;
  }

  #resultOf({ result, opened, begin, end, resent }: Outcome, door: Door): Result {
    if (result === "ok") {
      if (end - begin > door.late) return "late";
      // its first packet was lost, though there was nothing to be waited for
      return resent !== undefined &&
        end - begin >= SYN_MS &&
        this.#journal.isActive(door.target, opened - MARGIN_MS, opened + MARGIN_MS)
        ? "resent"
        : "ok";
    }
    // the page's server lets go of those who have not asked yet: their next connection reaches the service
    const isReleased = door.isPage && (result === "eof" || result === "reset");
    return isReleased && this.#journal.became(door.target, "active", opened - MARGIN_MS, end + MARGIN_MS) ? "ok" : result;
  }

  #explains({ kind, from, to, targets }: Window, { opened, begin, end }: Outcome, door: Door, result: Result): boolean {
    if (opened > (to ?? Infinity) + AFTER_MS || end < from) return false;
    if (targets !== undefined && !targets.has(door.target)) return false;
    return kind.explains.some(({ results, protocol, pages, cold }) => {
      if (!results.includes(result)) return false;
      if (protocol !== undefined && protocol !== door.protocol) return false;
      if (pages === true && !door.isPage) return false;
      // a connection is what it was when it was opened: who was held, and let go for a start that fails, is cut
      const came = door.protocol === "tcp" ? opened : begin;
      return cold !== true || !this.#journal.isActive(door.target, came - MARGIN_MS, came + MARGIN_MS);
    });
  }

  /** The delays that follow failures which a fault explains, as faults of their own. */
  #failures(): Window[] {
    return this.#journal.complaints.flatMap(({ time, target, retryInMs }) => {
      if (target === undefined || retryInMs === undefined) return [];
      const cause = this.windows.find((each) => each.kind.failsTargets === true && isDuring(each, time, target));
      if (cause === undefined) return [];
      const kind: FaultKind = {
        name: `${cause.kind.name}, the delay after it`,
        explains: [{ results: ["refused"] }],
        complaints: [],
      };
      return [{ kind, from: time, to: time + retryInMs, targets: new Set([target]) }];
    });
  }

  #judgeComplaint({ time, text, target, retryInMs }: Complaint): Problem | undefined {
    const isExplained = this.windows.some(({ kind, ...rest }) => {
      if (!isDuring({ kind, ...rest }, time, target)) return false;
      return (retryInMs !== undefined && kind.failsTargets === true) || kind.complaints.some((pattern) => pattern.test(text));
    });
    return isExplained ? undefined : { time, text: `log: ${text}` };
  }
}

function isDuring({ from, to, targets }: Window, time: number, target: string | undefined): boolean {
  const isInTime = time >= from && time <= (to ?? Infinity) + AFTER_MS;
  return isInTime && (targets === undefined || target === undefined || targets.has(target));
}

export function clock(time: number): string {
  return new Date(time).toISOString().slice(11, 23);
}
