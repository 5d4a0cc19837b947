import { describe, expect, it } from "vitest";
import { Fault } from "../../pkg/fault/fault.ts";
import { type Endpoint, type EndpointOptions, findEndpoint } from "./endpoint.ts";

const CONFIGURED: Endpoint = { socket: "/configured", codec: "cbor" };

/** What is found, and which file was read for it. */
async function found(options: EndpointOptions, code?: string, sockets: string[] = []): Promise<[Endpoint, string | undefined]> {
  let file: string | undefined;
  const endpoint = await findEndpoint(options, {
    readConfig: (path) => {
      file = path;
      return code === undefined ? Promise.resolve(CONFIGURED) : Promise.reject(new Fault(code, "no"));
    },
    exists: (path) => sockets.includes(path),
  });
  return [endpoint, file];
}

describe("the daemon's socket", () => {
  it("is what the configuration says", async () => {
    expect(await found({})).toEqual([CONFIGURED, "/etc/proxygw.yaml"]);
    expect(await found({ config: "a" })).toEqual([CONFIGURED, "a"]);
  });

  it("is what the options say; then no file is read", async () => {
    expect(await found({ socket: "/s" })).toEqual([{ socket: "/s", codec: "json", origin: "options" }, undefined]);
    expect(await found({ socket: "/s", codec: "cbor", config: "a" })).toEqual([
      { socket: "/s", codec: "cbor", origin: "options", isCodecGiven: true },
      undefined,
    ]);
    expect(await found({ socket: "/s", config: "a" })).toEqual([{ socket: "/s", codec: "cbor" }, "a"]);
    expect(await found({ codec: "json" })).toEqual([
      { socket: "/configured", codec: "json", isCodecGiven: true },
      "/etc/proxygw.yaml",
    ]);
  });

  it("is a usual one where the usual file may not be read, and only there", async () => {
    const usual = { socket: "/run/proxygw.sock", codec: "json", origin: "defaults" };
    expect((await found({}, "CONFIG_FORBIDDEN"))[0]).toEqual(usual);
    const packaged = "/run/proxygw/ctl.sock";
    expect((await found({}, "CONFIG_FORBIDDEN", [packaged]))[0]).toEqual({ ...usual, socket: packaged });
    expect((await found({}, "CONFIG_FORBIDDEN", [packaged, usual.socket]))[0]).toEqual(usual);
    await expect(found({ config: "a" }, "CONFIG_FORBIDDEN")).rejects.toMatchObject({ code: "CONFIG_FORBIDDEN" });
    await expect(found({}, "CONFIG_INVALID")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  it("may be named by who has no configuration to read, and is told so", async () => {
    for (const code of ["CONFIG_INVALID", "CONFIG_FORBIDDEN"]) {
      await expect(found({ config: "a" }, code)).rejects.toThrow("no\n(with --socket PATH no configuration is read)");
    }
    await expect(found({ config: "a", socket: "/s" }, "CONFIG_INVALID")).rejects.toThrow(/^no$/);
  });
});
