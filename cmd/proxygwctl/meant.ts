import { nearest } from "../../pkg/config/nearest.ts";
import { Method } from "../../pkg/ctl/method.ts";
import { Fault, hasCode, messageOf } from "../../pkg/fault/fault.ts";
import { type DaemonStatus, daemonStatus } from "./daemon-status.ts";
import { ANSWER_TIMEOUT_MS, type Session } from "./session.ts";

type Noun = "target" | "frontend" | "any";

/** What `work` returns; where the daemon does not know one of `names`, the error also tells which one was probably meant. */
export async function withMeaning<T>(session: Session, noun: Noun, names: readonly string[], work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!hasCode(error, "TARGET_UNKNOWN") && !hasCode(error, "FRONTEND_UNKNOWN")) throw error;
    const request = { method: Method.statusRequest, body: {}, timeoutMs: ANSWER_TIMEOUT_MS };
    const status = await session.ask(request).then(daemonStatus, () => undefined);
    const hint = status === undefined ? undefined : meant(status, noun, names);
    if (hint === undefined) throw error;
    throw new Fault("DAEMON_REFUSED", `${messageOf(error)}; ${hint}`);
  }
}

/** Of the first of `names` that does not exist. */
function meant({ targets, frontends }: DaemonStatus, noun: Noun, names: readonly string[]): string | undefined {
  const known = { target: targets.map(({ name }) => name), frontend: frontends.map(({ name }) => name) };
  const wanted = noun === "any" ? [...known.target, ...known.frontend] : known[noun];
  const name = names.find((each) => !wanted.includes(each));
  if (name === undefined) return undefined;
  const frontend = noun === "target" ? frontends.find((each) => each.name === name) : undefined;
  if (frontend !== undefined) return `that is a frontend, whose target is "${frontend.target_name}"`;
  if (noun === "frontend" && known.target.includes(name)) {
    const own = frontends.filter((each) => each.target_name === name).map((each) => `"${each.name}"`);
    if (own.length === 0) return "that is a target";
    return `that is a target, whose ${own.length === 1 ? "frontend is" : "frontends are"} ${own.join(", ")}`;
  }
  const near = nearest(name, wanted);
  return near === undefined ? undefined : `did you mean "${near}"?`;
}
