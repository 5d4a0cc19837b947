import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { describe, expect, it, onTestFinished } from "vitest";

/** So many that the program reads them in a thread of its own. */
const COUNT = 1000;

const indexes = Array.from({ length: COUNT }, (_, at) => at);
const TARGETS = indexes.map(
  (at) => `  - name: t${at}
    kind: static:none
    endpoints: [{ name: main, protocol: tcp, address: "10.0.0.1:${1 + at}" }]
`,
);
const FRONTENDS = indexes.map(
  (at) => `  - { name: f${at}, kind: "static:on-demand", listen: "10.0.0.2:${1 + at}", target: "t${at}:main" }
`,
);
const LINES = (text: string): number => text.split("\n").length;

async function check(
  text: string,
): Promise<{ readonly file: string; readonly exitCode: number | undefined; readonly stdout: string; readonly stderr: string }> {
  const directory = await mkdtemp(join(tmpdir(), "proxygw-large-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "proxygw.yaml");
  await writeFile(file, text, { mode: 0o600 });
  const { exitCode, stdout, stderr } = await execa("build/proxygw", ["check", "--config", file], { reject: false });
  return { file, exitCode, stdout, stderr };
}

describe("a large configuration", () => {
  it("is read as a small one is", async () => {
    const result = await check(`version: v1\ntargets:\n${TARGETS.join("")}frontends:\n${FRONTENDS.join("")}`);
    expect(result).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining(`(${COUNT} targets, ${COUNT} frontends)`) as string,
    });
  });

  it("has its mistakes told with their places", async () => {
    const before = `version: v1\ntargets:\n${TARGETS.join("")}frontends:\n${FRONTENDS.join("")}`;
    const result = await check(
      `${before}  - { name: last, kind: "static:on-demand", listn: "10.0.0.2:5000", target: "nobody:main" }\n`,
    );
    expect(result.exitCode).toBe(2);
    expect(result.stderr).toContain(
      `${result.file}:${LINES(before)}:45: unknown key "listn" in frontend "last"; did you mean "listen"?`,
    );
    expect(result.stderr).toContain('"nobody"');
  });
});
