import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import type { FrontendConfig, TargetConfig } from "../../pkg/config/types.ts";
import { parseAddrPort } from "../../pkg/value/addr-port.ts";
import type { Protocol } from "../../pkg/value/protocol.ts";
import { checkHttpFrontend, contentType, HTTP_OPTIONS } from "./http-options.ts";

const validate = new Ajv({ useDefaults: true, strict: true }).compile(HTTP_OPTIONS);

describe("options of static:http", () => {
  it("have defaults", () => {
    const options = {};
    expect(validate(options)).toBe(true);
    expect(options).toEqual({ content: "Starting…\n", endpoint: "/", status: 200 });
  });

  it.each([{ endpoint: "/" }, { endpoint: "/a/b.html;v=1&c" }, { status: 599 }, { content: "" }, { content_type: "text/css" }])(
    "accept %j",
    (options) => {
      expect(validate(options)).toBe(true);
    },
  );

  it.each([
    { endpoint: "" },
    { endpoint: "x" },
    { endpoint: "/a?b" },
    { endpoint: "/a#b" },
    { endpoint: "/a b" },
    { endpoint: "/ü" },
    { status: 199 },
    { status: 600 },
    { status: 200.5 },
    { content: 5 },
    { content_type: "" },
    { content_type: "text/plain\r\nX: y" },
    { unknown: 1 },
  ])("refuse %j", (options) => {
    expect(validate(options)).toBe(false);
  });

  it.each([
    ["hello", undefined, "text/plain; charset=utf-8"],
    ["<p>hello", undefined, "text/html; charset=utf-8"],
    ["\n <!doctype html>", undefined, "text/html; charset=utf-8"],
    ["<p>", "text/css", "text/css"],
  ])("serve %j with content_type %s as %s", (content, given, expected) => {
    const options = { content, endpoint: "/", status: 200, ...(given === undefined ? {} : { content_type: given }) };
    expect(contentType(options)).toBe(expected);
  });
});

describe("the check of static:http", () => {
  function problems(listens: string[], endpoints: string[], protocol: Protocol = "tcp"): ReturnType<typeof checkHttpFrontend> {
    const addresses = endpoints.map(parseAddrPort);
    const target = { name: "backend", endpoints: [{ name: "http", protocol, addresses }] } as unknown as TargetConfig;
    const routes = listens.map((listen) => ({ listen: parseAddrPort(listen), endpoint: addresses[0] }));
    return checkHttpFrontend({ protocol, routes } as unknown as FrontendConfig, target);
  }

  it.each([
    [["0.0.0.0:80"], ["127.0.0.1:8080"]],
    [["0.0.0.0:80"], ["192.0.2.1:80"]],
    [["127.0.0.1:80"], ["127.0.0.2:80"]],
    [["[::]:80"], ["127.0.0.1:80"]],
  ])("accepts %j before %j", (listens, endpoints) => {
    expect(problems(listens, endpoints)).toEqual([]);
  });

  it.each([
    [["0.0.0.0:80"], ["127.0.0.1:80"], ["listen"]],
    [["127.0.0.1:80"], ["127.0.0.1:80"], ["listen"]],
    [["192.0.2.1:80"], ["0.0.0.0:80"], ["listen"]],
    [
      ["0.0.0.0:81", "[::]:80"],
      ["127.0.0.1:8080", "[::1]:80"],
      ["listen", 1],
    ],
  ])("finds the page's socket in the way: %j before %j", (listens, endpoints, path) => {
    const found = problems(listens, endpoints);
    expect(found).toEqual([{ path, message: expect.stringContaining("would keep target") as string }]);
  });

  it("refuses udp", () => {
    expect(problems(["0.0.0.0:80"], ["192.0.2.1:80"], "udp")).toMatchObject([{ path: ["protocol"] }]);
  });
});
