import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuzz } from "../../test/fuzz/fuzz.ts";
import { mutatedText } from "../../test/fuzz/mutation.ts";
import { checkCtlConfig, checkLoad, WORDS } from "./load-check.ts";

/** Oddities of YAML, and what the loader makes a difference of. */
const WRITTEN = [
  ...["v1", "log", "targets", "frontends", "endpoints", "name", "kind", "address", "listen", "options"],
  ...Array.from("[]{},:-?&*!|>'\"%@`#~.\n\t\r \u0000\ufeff\u2028"),
  ...[": ", "- ", "\n  ", "\n- ", "&a ", "*a", "*b ", "<<: ", "<<: *a\n", "<<: [*a, *a]\n", "---\n", "...\n", "%YAML 1.1\n"],
  ...["!!str ", "!!binary ", "!x ", "? ", "|+\n", ">-\n ", "''", '"\\u0000"', '"\\x9b"', "[::1]:80", '"[::1]:80"'],
  ...["1e999", "-1e999", "0x1F", "0o17", ".inf", ".nan", "99999999999999999999999", "1_000", "12:30:45", "yes", "2001-01-01"],
];
const ANCHORS = `version: &v v1
targets:
  - &t
    name: a   # a comment
    kind: static:none
    endpoints: &e
      - { name: h, protocol: tcp, address: "127.0.0.1:80" }
  - <<: *t
    name: "b"
frontends:
  - { name: x, kind: static:always, listen: [0.0.0.0:80], target: b:h, hold: { timeout: 1m } }
`;
const SCALARS = `version: 'v1'
log: { level: "INFO+2",
  output: /var/log/x }
targets:
- name: "a b"
  kind: static:cmd
  options:
    command: |
      exec sleep 1
    env:
      A: >-
        b
        c
    count: 3
`;
const PLAIN = `version: v1
targets:
  - name: a
    kind: static:none
    endpoints:
      - name: h
        protocol: tcp
        addresses: [ "192.0.2.1:80", "[::1]:80" ]
frontends:
  - name: x
    kind: static:always
    listen: [ "0.0.0.0:80", "[::1]:81" ]
    target: a:h
    wake_limit: 5/1m
    allow: 10.0.0.0/8
`;

describe("the loader, with texts", () => {
  it.each([ANCHORS, SCALARS, PLAIN])("takes the text that others are made from: %#", (text) => {
    expect(checkLoad(text)).toBe("valid");
  });

  const texts = mutatedText([ANCHORS, SCALARS, PLAIN], [...WRITTEN, ...WORDS], 3);
  fuzz("takes a text with some parts cut, doubled or put in, or says where it is wrong", texts, (text) => void checkLoad(text), {
    share: 0.4,
  });

  const marks = fc.array(fc.constantFrom(...WRITTEN), { maxLength: 40 }).map((each) => each.join(""));
  fuzz("takes any row of YAML's marks, or says where it is wrong", marks, (text) => void checkLoad(text), { share: 0.2 });

  const nesting = fc.constantFrom("[", "{a: ", "? ", "[*a, ", "a: {<<: ", "a: b: ", "a:\n");
  const repeating = fc.constantFrom("&a [", "'", '"\\', "|\n", "!!x ", "&a ", "*a ", "}", "\t", "- ");
  // of the first sort, more levels than the stack has room for
  const deep = fc.oneof(fc.tuple(nesting, fc.nat(100_000)), fc.tuple(repeating, fc.nat(5000))).map(([open, times]) => {
    const levels = open === "a:\n" ? Math.min(times, 500) : 0;
    const indented = Array.from({ length: levels }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n");
    return `version: v1\ntargets: ${levels > 0 ? `\n${indented}` : open.repeat(times)}`;
  });
  fuzz("is not overthrown by nesting", deep, (text) => void checkLoad(text), { share: 0.002 });
});

describe("what proxygwctl reads of a configuration", () => {
  const text = mutatedText(
    [ANCHORS, "plugins: { ctl: { socket: /run/x.sock, codec: cbor } }", "a: &a { socket: /x }\nplugins:\n  ctl: *a\n"],
    [...WRITTEN, "ctl", "socket", "codec", "json", "plugins", "__proto__"],
  );
  fuzz("is a path and a codec, or it is said where it is wrong", text, checkCtlConfig, { share: 0.3 });
});
