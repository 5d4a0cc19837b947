import { Fault } from "../fault/fault.ts";

/** Two names joined by a colon: a kind (`static:cmd`) or a target and its endpoint (`backend:http`). */
export interface Reference {
  readonly namespace: string;
  readonly name: string;
}

/** Control characters, line and paragraph separators: they would garble every log line and message that shows the name. */
const CONTROL = /[\p{Cc}\u2028\u2029]/u;

/** The name itself. @throws Fault VALUE_INVALID when it is empty, or holds a colon, control characters or white space at an end */
export function parseName(text: string): string {
  const why = nameProblem(text);
  if (why !== undefined) throw new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not a name: ${why}`);
  return text;
}

/**
 * `example` says in messages which form is wanted; it is a valid one.
 * @throws Fault VALUE_INVALID
 */
export function parseReference(text: string, example = "namespace:name"): Reference {
  const parts = text.split(":");
  const [namespace, name] = parts;
  if (namespace === undefined || name === undefined || parts.length > 2) {
    const found = parts.length === 1 ? "there is no colon in it" : "there is more than one colon in it";
    throw invalid(text, `${found}; expected two names such as "${example}"`);
  }
  for (const [part, side] of [
    [namespace, "before"],
    [name, "after"],
  ] as const) {
    const why = nameProblem(part);
    if (why !== undefined) throw invalid(text, `the name ${side} the colon: ${why}; expected two names such as "${example}"`);
  }
  return { namespace, name };
}

export function formatReference(value: Reference): string {
  return `${value.namespace}:${value.name}`;
}

function nameProblem(text: string): string | undefined {
  if (text === "") return "it is empty";
  if (text.includes(":")) return "a colon separates names in references, so it can't be part of one";
  if (CONTROL.test(text)) return "it holds a control character";
  if (text.trim() !== text) return "it starts or ends with white space";
  return undefined;
}

function invalid(text: string, why: string): Fault {
  return new Fault("VALUE_INVALID", `${JSON.stringify(text)} is not a reference: ${why}`);
}
