import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseCtlConfig, readCtlConfig } from "./ctl-config.ts";

describe("parseCtlConfig", () => {
  it.each([
    ["version: v1", { socket: "/run/proxygw.sock", codec: "json" }],
    ["", { socket: "/run/proxygw.sock", codec: "json" }],
    ["plugins:", { socket: "/run/proxygw.sock", codec: "json" }],
    ["plugins: { ctl: }", { socket: "/run/proxygw.sock", codec: "json" }],
    ["plugins: { ctl: { socket: /x, codec: ~ } }", { socket: "/x", codec: "json" }],
    ["plugins: { ctl: { codec: cbor, group: adm } }", { socket: "/run/proxygw.sock", codec: "cbor" }],
    ["targets: { nonsense: 1 }\na: 1\na: 2\nplugins: { ctl: { socket: /y } }", { socket: "/y", codec: "json" }],
  ])("%j", (text, expected) => {
    expect(parseCtlConfig(text, "x.yaml")).toEqual(expected);
  });

  it.each([
    ["plugins: []", /x.yaml:1:10: plugins: expected a mapping/],
    ["plugins: { ctl: [] }", /plugins.ctl: expected a mapping/],
    ["plugins: { ctl: { socket: 5 } }", /1:27: expected the path of the control socket/],
    ["plugins: { ctl: { socket: '' } }", /1:27: expected the path/],
    ["plugins: { ctl: { codec: xml } }", /1:26: unknown codec; expected "json" or "cbor"/],
    ["plugins: [", /not valid YAML/],
  ])("refuses %j", (text, message) => {
    expect(() => parseCtlConfig(text, "x.yaml")).toThrow(message);
  });
});

describe("readCtlConfig", () => {
  it("reads a file, and says in a Fault why it can't", async () => {
    const directory = await mkdtemp(join(tmpdir(), "ctl-config-"));
    try {
      const path = join(directory, "proxygw.yaml");
      await writeFile(path, "plugins: { ctl: { socket: /z } }");
      expect(await readCtlConfig(path)).toEqual({ socket: "/z", codec: "json" });
      await writeFile(path, "plugins: 5");
      const fault = { name: "Fault", code: "CONFIG_INVALID" };
      await expect(readCtlConfig(path)).rejects.toMatchObject({
        ...fault,
        message: expect.stringContaining(`${path}:1:10: `) as string,
      });
      await expect(readCtlConfig(join(directory, "none"))).rejects.toMatchObject(fault);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});
