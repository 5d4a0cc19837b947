import { FAILSAFE_SCHEMA, load, Type } from "js-yaml";
import { isMapping } from "./yaml-plain.ts";

/** Anything but "\n" and what is printed: tabs, other line breaks, which not all readers of YAML see alike. */
const UNUSUAL_CHARACTER = /[^\n\x20-\x7e\u00a1-\u2027\u202a-\ud7ff]/;
/** What not all readers hold to be wrong: a comment that touches what is before it, texts and lists that go on in the next line. */
const UNUSUAL_LINE = /["'\]},[{]#|^ *[,\]}]|[[{,] *(?: #[^\n]*)?$|^(?:[^"'\n]|"[^"\n]*"|'[^'\n]*')*["'][^"'\n]*$/m;
/**
 * Where a value or key begins: anchors, aliases, tags, texts of several lines; keys that are no text, or bring in others; and
 * further documents.
 */
const UNUSUAL_BEGIN =
  /(?:^|: |- |[[{,]) *(?:[&*!|>%@`?]|<<|__proto__|(?:~|null|true|false|[-+.\d][^\s,[\]{}]*)? *:(?:[ ,\]}]|$))|[\]}] *:(?:[ ,\]}]|$)|^(?:---|\.\.\.)/im;

/** The core schema (YAML 1.2, 10.3.2); of its numbers, the readers agree on small ones. */
const WORDS: ReadonlyMap<string, unknown> = new Map([
  ...["", "~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);
const NUMBER =
  /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;
const SMALL_NUMBER = /^(?:0|[1-9][0-9]{0,8})$/;

const SCHEMA = FAILSAFE_SCHEMA.extend({
  implicit: [
    new Type("tag:yaml.org,2002:null", {
      kind: "scalar",
      resolve: (text: string | null) => WORDS.has(text ?? ""),
      construct: (text: string | null) => WORDS.get(text ?? ""),
    }),
    new Type("tag:yaml.org,2002:int", {
      kind: "scalar",
      resolve: (text: string | null) => {
        if (text === null || !NUMBER.test(text)) return false;
        if (!SMALL_NUMBER.test(text)) throw new RangeError("not a small number");
        return true;
      },
      construct: Number,
    }),
  ],
});

function refuse(warning: Error): never {
  throw warning;
}

/** js-yaml cuts its texts out of the whole one, which the longer of them would keep for as long as the configuration lives. */
function detached(mapping: Record<string, unknown>): Record<string, unknown> {
  return JSON.parse(JSON.stringify(mapping)) as Record<string, unknown>;
}

/**
 * The mapping that a text holds, if it is written as most configurations are: without anchors, tags and texts of several lines.
 * Undefined: with anything else, also with mistakes. js-yaml takes an eighth of the time of the library that YamlDocument makes its
 * tree by, and no tree's room; it cannot tell where in the text a value is, which takes a mistake to be asked.
 */
export function readSimpleYaml(text: string): Record<string, unknown> | undefined {
  if ([UNUSUAL_CHARACTER, UNUSUAL_BEGIN, UNUSUAL_LINE].some((unusual) => unusual.test(text))) return undefined;
  try {
    const value: unknown = load(text, { schema: SCHEMA, onWarning: refuse });
    return isMapping(value) ? detached(value) : undefined;
  } catch {
    return undefined;
  }
}
