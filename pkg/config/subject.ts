import { quote } from "./nearest.ts";
import { childOf } from "./schema-message.ts";
import type { Path } from "./yaml-document.ts";

/** What a person calls the value at `path`: `idle_timeout of target "backend"`. */
export function subjectOf(root: unknown, path: Path): string {
  const [list, index, ...rest] = path;
  if (index === undefined || (list !== "targets" && list !== "frontends")) return path.length === 0 ? "the file" : dotted(path);
  const owner = named(list.slice(0, -1), childOf(childOf(root, list), index), `${list}[${index}]`);
  if (list === "targets" && rest[0] === "endpoints" && rest[1] !== undefined) {
    const endpoint = rest.slice(0, 2).reduce<unknown>(childOf, childOf(childOf(root, list), index));
    return within(rest.slice(2), `${named("endpoint", endpoint, `endpoints[${rest[1]}]`)} of ${owner}`);
  }
  return within(rest, owner);
}

function within(path: Path, owner: string): string {
  return path.length === 0 ? owner : `${dotted(path)} of ${owner}`;
}

function named(noun: string, value: unknown, otherwise: string): string {
  const name = childOf(value, "name");
  return typeof name === "string" && name !== "" ? `${noun} ${quote(name)}` : otherwise;
}

function dotted(path: Path): string {
  return path.map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${step}`)).join("");
}
