import fc from "fast-check";
import { identityOf } from "../../pkg/process/process-group.ts";
import type { CommandIdentity } from "../../pkg/process/process.ts";
import { mutatedText } from "./mutation.ts";

/** In the samples, this process: so the same seed makes the same texts whichever process that is. */
export const SELF: CommandIdentity = { pid: 7_654_321, startTicks: "1122334", bootId: "this-boot" };

/** `text` with this process for SELF: the only living one that a state file may be right about. */
export function withSelf(text: string): string {
  const { pid, startTicks, bootId } = ALIVE;
  return text.replaceAll(String(SELF.pid), String(pid)).replaceAll(SELF.startTicks, startTicks).replaceAll(SELF.bootId, bootId);
}

/** Whether it is this process that `identity` names. */
export function isSelf(identity: CommandIdentity | undefined): boolean {
  return identity?.pid === ALIVE.pid && identity.startTicks === ALIVE.startTicks && identity.bootId === ALIVE.bootId;
}

const ALIVE = self();

function self(): CommandIdentity {
  const found = identityOf(process.pid);
  if (found === undefined) throw new Error("this process does not run");
  return found;
}

const NUMBERS = ["0", "-1", "1", "2", String(SELF.pid), "1.5", "1e3", "1e400", "9".repeat(16), "-0", "[7]"];
const VALUES = [...NUMBERS, "null", "true", "{}", "[]", '""', '"7"', '{"pid":7}', '"\\u0000"', '"\\ud800"', '"__proto__"'];

/** Texts of state files: whole ones, torn ones, other programs', of another version. */
export function stateFiles(samples: readonly unknown[]): fc.Arbitrary<string> {
  const texts = samples.map((each) => JSON.stringify(each));
  const marks = [
    ...Array.from('{}[],:"'),
    " ",
    "\n",
    "\u0000",
    "\\u0000",
    '"pid":',
    '"identity":',
    '"startTicks":',
    '"bootId":',
    '"made":',
  ];
  const mutated = mutatedText([...texts, "", "null", "[]", "{}"], [...VALUES, ...marks]);
  // well-formed, with some values exchanged
  const exchanged = fc
    .tuple(fc.constantFrom(...texts), fc.array(fc.tuple(fc.nat(20), fc.constantFrom(...VALUES)), { maxLength: 3 }))
    .map(([text, all]) => all.reduce(exchange, text));
  return fc.oneof(mutated, exchanged);
}

/** Puts `value` in the place of the `which`th scalar behind a colon or in a list. */
function exchange(text: string, [which, value]: readonly [number, string]): string {
  const scalars = [...text.matchAll(/(?<=[:[,])(?:"[^"]*"|-?\d+|true|false|null)(?=[,}\]])/g)];
  const found = scalars[which % Math.max(1, scalars.length)];
  return found === undefined ? text : text.slice(0, found.index) + value + text.slice(found.index + found[0].length);
}
