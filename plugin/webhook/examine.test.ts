import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { examineHooks } from "./examine.ts";

const HOOK = { name: "ops", url: "https://ops.example/", events: ["hold"], timeout: "10s", retries: 10, queue: 1000 };

describe("examineHooks", () => {
  it("finds files that do not hold what they are to", async () => {
    const directory = await mkdtemp("/tmp/proxygw-examine-");
    onTestFinished(() => rm(directory, { recursive: true }));
    const [good, bad, none] = ["good", "bad", "none"].map((name) => join(directory, name)) as [string, string, string];
    await writeFile(good, `whsec_${Buffer.alloc(32, 7).toString("base64")}\n`);
    await writeFile(bad, "secret\n");
    const hooks = [
      { ...HOOK, secret_file: good },
      { ...HOOK, name: "first", secret_file: none },
      { ...HOOK, name: "second", secret_file: bad, ca_file: bad },
    ];
    expect(await examineHooks({ hooks })).toMatchObject([
      { id: "webhook-file", severity: "error", what: expect.stringContaining(`cannot read ${none}`) as string },
      { where: 'plugins.webhook, hook "second"', what: expect.stringContaining(`line 1 of ${bad} is not a secret`) as string },
      { where: 'plugins.webhook, hook "second"', what: expect.stringContaining("has no certificates") as string },
    ]);
    expect(await examineHooks({ hooks: [HOOK] })).toEqual([]);
    expect(await examineHooks(undefined)).toEqual([]);
  });
});
