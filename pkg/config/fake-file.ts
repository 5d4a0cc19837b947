import { ConfigError, type Problem } from "./config-error.ts";
import { fakeRegistry } from "./fake-registry.ts";
import { parseConfig } from "./load.ts";

const registry = fakeRegistry();

/** For tests: what is wrong with `text`, against the fake registry. */
export function problemsOf(text: string): readonly Problem[] {
  try {
    parseConfig(text, "test.yaml", registry);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

/** `line:column message` of each problem. */
export function shown(text: string): string[] {
  return problemsOf(text).map((each) => `${each.line}:${each.column} ${each.message}`);
}

const TARGET = `version: v1
targets:
  - name: backend
    kind: static:none
    endpoints:
      - { name: http, protocol: tcp, address: 127.0.0.1:8080 }
      - { name: dual, protocol: tcp, addresses: ["192.0.2.1:80", "[2001:db8::1]:81"] }
      - { name: dns, protocol: udp, address: "[::1]:53" }
frontends:
`;

/** A file whose frontends are the given ones, each written in one line; the first is line 10. */
export function withFrontends(...frontends: string[]): string {
  return TARGET + frontends.map((each) => `  - { ${each} }\n`).join("");
}
