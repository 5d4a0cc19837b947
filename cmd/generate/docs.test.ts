/** The documents besides the READMEs: their links lead somewhere, their configurations are valid. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { parseConfig } from "../../pkg/config/load.ts";
import { Registry } from "../../pkg/plugin/registry.ts";
import { registrations } from "../proxygw/plugins.gen.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const EXAMPLES = join(ROOT, "configs/examples");
const read = (path: string): string => readFileSync(join(ROOT, path), "utf8");

const DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", ...markdownIn("docs"), ...markdownIn("plugin")];

function markdownIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md"))
    .map((name) => join(folder, name));
}

/** Without what is in code: brackets there are no links. */
const prose = (path: string): string =>
  read(path)
    .replaceAll(/^```.*?^```/gms, "")
    .replaceAll(/`[^`\n]*`/g, "code");

/** As GitHub makes them; headings keep the text of their code. */
function anchors(path: string): Set<string> {
  const text = read(path).replaceAll(/^```.*?^```/gms, "");
  const named = [...text.matchAll(/<a id="([\w-]+)">/g)].map(([, name = ""]) => name);
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replaceAll(" ", "-"),
  );
  return new Set([...named, ...headings]);
}

function isThere(path: string): boolean {
  try {
    statSync(path);
    return true;
  } catch {
    return false;
  }
}

describe.each(DOCUMENTS)("%s", (document) => {
  it("links to what is there", () => {
    const links = [...prose(document).matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link = ""]) => link);
    const dead = links.filter((link) => {
      const [path = "", anchor] = link.split("#");
      const file = path === "" ? document : relative(ROOT, resolve(ROOT, dirname(document), path));
      if (!isThere(join(ROOT, file))) return true;
      // headings that `make bench-docs` writes are not there before it has been run
      if (read(document).includes("Not yet made on a quiet machine") && file === document) return false;
      return anchor !== undefined && !anchors(file).has(anchor);
    });
    expect(dead).toEqual([]);
  });

  it("has only valid configurations", () => {
    const texts = [...read(document).matchAll(/^```yaml\n((?:#.*\n)*version: v1\n.*?)^```/gms)].map(([, text = ""]) => text);
    for (const text of texts) expect(() => parseConfig(text, document, new Registry(registrations))).not.toThrow();
  });
});

describe("configs/examples", () => {
  const names = readdirSync(EXAMPLES).map((name) => name.replace(/\.yaml$/, ""));

  it("are run by a test, and linked to from the how-to or the tutorial", () => {
    const tests = readdirSync(join(ROOT, "test/e2e/examples"))
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => read(`test/e2e/examples/${name}`))
      .join("\n");
    const docs = read("docs/howto.md") + read("docs/tutorial.md");
    const untested = names.filter((name) => !tests.includes(`"${name}"`) && !tests.includes(`configs/examples/${name}.yaml`));
    expect(untested).toEqual([]);
    expect(names.filter((name) => !docs.includes(`configs/examples/${name}.yaml`))).toEqual([]);
  });

  it.each(names)("%s opens with what it is for, and takes the control socket where all do", (name) => {
    const text = read(`configs/examples/${name}.yaml`);
    expect(text).toMatch(/^# yaml-language-server: \$schema=\.\.\/proxygw\.schema\.json\n#\n# [A-Z]/);
    expect(parse(text)).toMatchObject({ version: "v1", plugins: { ctl: { socket: "/run/proxygw.sock" } } });
    if (name !== "tutorial") for (const word of ["For", "Try", "Change", "More"]) expect(text).toContain(`\n# ${word}: `);
  });

  it("have a section of the how-to each", () => {
    const sections = anchors("docs/howto.md");
    expect(names.filter((name) => name !== "tutorial" && !sections.has(name))).toEqual([]);
  });

  it("the tutorial shows its example as it is", () => {
    const [, shown = ""] = /^```yaml\n(.*?)^```/ms.exec(read("docs/tutorial.md")) ?? [];
    expect(parse(shown)).toEqual(parse(read("configs/examples/tutorial.yaml")));
  });
});

it("a shell takes the commands of all examples", () => {
  for (const name of readdirSync(EXAMPLES)) {
    const { targets } = parse(read(`configs/examples/${name}`)) as { targets: { options: { command: string } }[] };
    for (const { options } of targets) expect(() => execFileSync("/bin/sh", ["-nc", options.command])).not.toThrow();
  }
});
