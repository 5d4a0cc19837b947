import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { once } from "node:events";
import { connect } from "node:net";
import { Ajv } from "ajv";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { CODECS } from "../../pkg/ctl/packet.ts";
import { FakeEngine } from "../../pkg/plugin/fake-engine.ts";
import { ctlPlugin } from "./plugin.ts";

const README = await readFile(new URL("README.md", import.meta.url), "utf8");

/** The fenced blocks of one kind. */
function blocks(kind: string): string[] {
  return [...README.matchAll(/^```(\S+)\n(.*?)^```/gms)].filter((each) => each[1] === kind).map((each) => each[2] ?? "");
}

describe("README of ctl", () => {
  it("shows a configuration that is valid", () => {
    const [yaml, ...more] = blocks("yaml");
    expect(more).toEqual([]);
    const { plugins } = parse(yaml ?? "") as { plugins: { ctl: unknown } };
    expect(new Ajv().validate(ctlPlugin().config ?? {}, plugins.ctl)).toBe(true);
  });

  it.each(CODECS)("shows what really goes over the socket, %s", async (codec) => {
    const [exchange, ...more] = blocks(`${codec}-exchange`);
    expect(more).toEqual([]);
    const bytesOf = (line: string): Buffer =>
      codec === "json" ? Buffer.from(`${line.slice(2)}\n`) : Buffer.from(line.slice(2).replaceAll(" ", ""), "hex");

    const directory = await mkdtemp(join(tmpdir(), "ctl-"));
    const socket = join(directory, "sock");
    const plugin = ctlPlugin();
    await plugin.onLoad?.({ socket, codec }, new FakeEngine(), "ctl");
    const client = connect(socket);
    const lines = (exchange ?? "").trimEnd().split("\n");
    for (let at = 0; at < lines.length; at += 2) {
      const expected = bytesOf(lines[at + 1] ?? "");
      client.write(bytesOf(lines[at] ?? ""));
      const [answer] = (await once(client, "data")) as [Buffer];
      expect(answer.toString("latin1")).toBe(expected.toString("latin1"));
    }
    expect(lines.length).toBeGreaterThanOrEqual(6);
    client.end();
    await plugin.onUnload?.();
    await rm(directory, { recursive: true });
  });
});
