import { describe, expect, it } from "vitest";
import { shown, withFrontends } from "./fake-file.ts";

describe("errors of reference", () => {
  it.each([
    ["kind: static:nne", 'there is no target kind "static:nne"; did you mean "static:none"?'],
    [
      "kind: static:docker",
      /^1:\d+ there is no target kind "static:docker"; known target kinds: "static:cmd", "static:none" and/,
    ],
    ["kind: statc:none", 'there is no plugin with the namespace "statc"; did you mean "static:none"?'],
    ["kind: podman:run", 'there is no plugin with the namespace "podman"; known namespaces: "static" and "ctl"'],
    ["kind: static:always", /"static:always" is a kind of frontend, not of target; target kinds are "static:cmd"/],
    ["kind: none", /"none" is not a reference: there is no colon in it; expected two names such as "static:cmd"/],
    ["kind: static:constructor", /there is no target kind "static:constructor"/],
  ])("in a target: %s", (kind, message) => {
    expect(shown(`{ version: v1, targets: [{ name: t, ${kind} }] }`)).toEqual([
      typeof message === "string" ? `1:43 ${message}` : (expect.stringMatching(message) as string),
    ]);
  });

  it.each([
    ["target: backend", /expected two names such as "backend:http"/],
    ["target: bckend:http", /there is no target "bckend"; did you mean "backend"\?/],
    ["target: other:http", /there is no target "other"; known targets: "backend"/],
    ["target: backend:htp", /target "backend" has no endpoint "htp"; did you mean "http"\?/],
    ["target: backend:other", /target "backend" has no endpoint "other"; known endpoints: "http", "dual" and "dns"/],
    ["target: backend:http, protocol: udp", /protocol udp contradicts endpoint "backend:http", which is tcp/],
    ["target: backend:http, flow_timeout: 577h", /"577h" is longer than the kernel can count; expected at most 24 days/],
    ["target: backend:http, flow_timeout: 0s", /too short/],
    ["target: backend:http, masquerade: on", /"auto", "always" or "never"/],
  ])("in a frontend: %s", (part, message) => {
    expect(shown(withFrontends(`name: f, kind: static:always, listen: 10.0.0.1:80, ${part}`))).toEqual([
      expect.stringMatching(message),
    ]);
  });

  it.each([
    [
      '["0.0.0.0:80", "[::]:80"]',
      "backend:http",
      /^10:\d+ no IPv6 address to go to: endpoint "backend:http" has only "127.0.0.1:8080"; add/,
    ],
    ["10.0.0.1:80", "backend:dns", /no IPv4 address to go to/],
    ["[10.0.0.1:80, 10.0.0.1:80]", "backend:http", /10.0.0.1:80 is there twice/],
    ["127.0.0.1:8080", "backend:http", /127.0.0.1:8080 is also the address of endpoint "backend:http"/],
    [
      '"[::]:53"',
      "backend:dns",
      /clients of \[::\]:53 can't reach endpoint "backend:dns" at \[::1\]:53: .*no route_localnet for IPv6/,
    ],
    ['"[2001:db8::5]:53"', "backend:dns", /can't reach endpoint/],
    ["10.0.0.1:0", "backend:http", /port 0/],
    ["[]", "backend:http", /listen of frontend "f" is an empty list; expected at least one/],
    [
      "80",
      "backend:http",
      /listen of frontend "f" is the number 80; expected an address and port such as "0.0.0.0:80", or a list of them/,
    ],
    ["[10.0.0.1:80, 10.0.0.2:80, 10.0.0.3:80]", "backend:http", /^10:\d+ too many ways to backend$/],
  ])("listen: %s to %s", (listen, goal, message) => {
    expect(shown(withFrontends(`name: f, kind: static:always, listen: ${listen}, target: "${goal}"`))).toEqual([
      expect.stringMatching(message),
    ]);
  });

  it("finds names that are there twice", () => {
    const endpoint = "{ name: e, protocol: tcp, address: 127.0.0.1:1 }";
    const text = `version: v1
targets:
  - { name: t, kind: static:none, endpoints: [${endpoint}, ${endpoint}] }
  - { name: t, kind: static:none }
frontends:
  - { name: f, kind: static:always, listen: 10.0.0.1:1, target: t:e }
  - { name: f, kind: static:always, listen: 10.0.0.1:2, target: t:e }
`;
    expect(shown(text)).toEqual([
      '3:105 a second endpoint with the name "e"; the first is in line 3',
      '4:13 a second target with the name "t"; the first is in line 3',
      '7:13 a second frontend with the name "f"; the first is in line 6',
    ]);
  });

  it.each([
    ["plugins: { clt: {} }", '2:12 there is no plugin with the namespace "clt"; did you mean "ctl"?'],
    ["plugins: { static: { a: 1 } }", '2:12 the plugin "static" takes no configuration; leave it out'],
    ["plugins: { ctl: { codec: xml } }", '2:26 plugins.ctl.codec is the text "xml"; expected "json" or "cbor"'],
    ["plugins: { ctl: { sokcet: x } }", '2:19 unknown key "sokcet" in plugins.ctl; did you mean "socket"?'],
    ["plugins: { ctl: [] }", "2:17 plugins.ctl is a list; expected a mapping"],
  ])("%s", (text, message) => {
    expect(shown(`version: v1\n${text}`)).toEqual([message]);
  });
});
