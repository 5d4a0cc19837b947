import assert from "node:assert/strict";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Composer, Parser } from "yaml";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedText } from "../../test/fuzz/mutation.ts";
import { readSimpleYaml } from "./simple-yaml.ts";
import { Source } from "./source.ts";
import { toPlain } from "./yaml-plain.ts";

/** What the library has to say of a text; undefined: that it is wrong, or more than a value. */
function wholeReading(text: string): { readonly value: unknown } | undefined {
  const composer = new Composer({ schema: "core", resolveKnownTags: false, uniqueKeys: false, prettyErrors: false });
  const documents = [...composer.compose(new Parser().parse(text), true, text.length)];
  const [document] = documents;
  if (document === undefined || documents.length > 1 || document.errors.length + document.warnings.length > 0) return undefined;
  const { value, problems } = toPlain(document.contents, new Source("x", text));
  return problems.length > 0 ? undefined : { value };
}

const WRITTEN = [
  ...Array.from("[]{},:-?&*!|>'\"%@`#~.\n\n\n  =<\\/\t\r\u0085\u00a0é\u2028"),
  ...[
    ": ",
    ":\n",
    "- ",
    "\n  ",
    "\n- ",
    "\n    ",
    " #",
    " # c\n",
    "a: ",
    "b:\n",
    "- a: b\n",
    "key: value\n",
    "---\n",
    "...\n",
    "'' ",
    '""',
  ],
  ...[
    "<<: ",
    "*a",
    "&a ",
    "!!str ",
    "null",
    "Null",
    "true",
    "False",
    "yes",
    "0",
    "12",
    "012",
    "0x1F",
    "0o17",
    "-1",
    "+1",
    "1.5",
    "1e3",
  ],
  ...[
    ".inf",
    "-.Inf",
    ".nan",
    "1_000",
    "12:30:45",
    "2001-01-01",
    "10.0.0.1",
    "10.0.0.0/8",
    "[::1]:80",
    '"[::1]:80"',
    "5m",
    "a b",
  ],
  ...[
    "__proto__: ",
    "constructor: ",
    "{ a: b }",
    "{a: b, c: [d, e]}",
    "[ a, b ]",
    "[]",
    "{}",
    "- - a\n",
    "-\n",
    "? a\n",
    "|\n",
    ">-\n",
  ],
];
const BLOCKS = `version: v1
log: { level: INFO, output: "/var/log/x", format: 'json' }   # a comment
targets:
  # another
  - name: a

    kind: static:none
    endpoints:
    - name: h
      protocol: tcp
      address: 127.0.0.1:80
  -
    name: b b
    options: { command: exec sleep 1, env: {A: b, c: [1, 2, "x"]} }
    count: 3
empty:
none: ~
last: [ ]
`;

describe("readSimpleYaml", () => {
  it("reads what most configurations are written in", () => {
    expect(readSimpleYaml(BLOCKS)).toStrictEqual(wholeReading(BLOCKS)?.value);
  });

  it.each([
    "",
    "a",
    "- a",
    "a: b\na: c",
    "a: |\n  b",
    "a: &b c",
    "a: 1.5",
    "a:\tb",
    "a: b\r\n",
    "---\na: b",
    'a: "x"#y',
    'a: "x\ny"',
    "a: [b,\n c]",
  ])("leaves the rest to the library: %j", (text) => {
    expect(readSimpleYaml(text)).toBeUndefined();
  });

  const check = (text: string): void => {
    const value = readSimpleYaml(text);
    // js-yaml lets some of what is not quite YAML pass
    const whole = value === undefined ? undefined : wholeReading(text);
    if (whole !== undefined) assert.deepStrictEqual({ value }, whole);
  };
  fuzz("reads a text with some parts changed as the library does, where both take it", mutatedText([BLOCKS], WRITTEN), check, {
    share: 0.4,
  });

  const row = fc.array(fc.constantFrom(...WRITTEN), { maxLength: 12 }).map((parts) => parts.join(""));
  const line = fc.tuple(fc.nat(6), fc.constantFrom(...WRITTEN), fc.constantFrom(...WRITTEN), fc.constantFrom(...WRITTEN));
  const lines = fc
    .array(line, { maxLength: 6 })
    .map((all) => all.map(([indent, ...parts]) => `${" ".repeat(indent)}${parts.join("")}\n`).join(""));
  fuzz("likewise, any row of YAML's marks, and lines of them", fc.oneof(row, lines), check, { share: 0.6 });
});
