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
import type { EngineEvent } from "../../pkg/plugin/plugin.ts";
import { ctlPlugin } from "./plugin.ts";

const README = await readFile(new URL("README.md", import.meta.url), "utf8");

const EVENT: EngineEvent = {
  at: "2026-01-01T00:00:00.000Z",
  type: "target_state",
  target: "backend",
  from: "inactive",
  to: "warming",
};

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
    const engine = new FakeEngine();
    await plugin.onLoad?.({ socket, codec }, engine, "ctl");
    const client = connect(socket);
    const lines = (exchange ?? "").trimEnd().split("\n");
    let said = false;
    for (const line of lines) {
      if (line.startsWith(">")) {
        client.write(bytesOf(line));
        said = true;
        continue;
      }
      // nobody asked for it: an event
      if (!said) engine.emit(EVENT);
      said = false;
      const [answer] = (await once(client, "data")) as [Buffer];
      expect(answer.toString("latin1")).toBe(bytesOf(line).toString("latin1"));
    }
    expect(lines.length).toBeGreaterThanOrEqual(13);
    client.end();
    await plugin.onUnload?.();
    await rm(directory, { recursive: true });
  });
});
