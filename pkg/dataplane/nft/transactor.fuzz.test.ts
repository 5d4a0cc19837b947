import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fuzzAsync } from "../../../test/fuzz/fuzz.ts";
import { Fault } from "../../fault/fault.ts";
import type { ToolResult, ToolRunner } from "../../process/process.ts";
import { addLine, deleteLine, type Element } from "./elements.ts";
import { Nft } from "./nft.ts";
import { TableContent } from "./table-content.ts";
import { type Change, Transactor } from "./transactor.ts";

/** What becomes of a run of nft: it is killed before or after the kernel has its transaction, or reports a failure. */
type Fate = "done" | "killed before" | "killed after" | "timeout before" | "timeout after" | "refused";

/** The elements of a table, each transaction whole or not at all, as the kernel does it. */
class FakeKernel implements ToolRunner {
  elements = new Map<string, string>();
  readonly transactions: string[] = [];
  readonly fates: Fate[] = [];

  run(_file: string, _args: readonly string[], options?: { readonly input?: string }): Promise<ToolResult> {
    const input = options?.input ?? "";
    this.transactions.push(input);
    const fate = this.fates.shift() ?? "done";
    if (fate === "refused") return ended(1, "Error: Could not process rule: Cannot allocate memory\n");
    const stderr = fate.endsWith("before") ? "" : this.#apply(input);
    if (fate.startsWith("timeout")) return Promise.reject(new Fault("TOOL_TIMEOUT", "nft did not end"));
    if (fate.startsWith("killed")) return ended(null, "");
    return ended(stderr === "" ? 0 : 1, stderr);
  }

  #apply(input: string): string {
    const next = new Map(this.elements);
    for (const line of input.trim().split("\n")) {
      const [, verb, set = "", key = "", value = ""] =
        /^(add|delete) element inet t (\S+) \{ (\S+)(?: : (\S+))? \}$/.exec(line) ?? [];
      const id = `${set} ${key}`;
      if (verb === "delete" && !next.delete(id)) return "Error: Could not process rule: No such file or directory\n";
      if (verb === "add" && (next.get(id) ?? value) !== value) return "Error: Could not process rule: File exists\n";
      if (verb === "add") next.set(id, value);
    }
    this.elements = next;
    return "";
  }
}

function ended(exitCode: number | null, stderr: string): Promise<ToolResult> {
  return Promise.resolve({ exitCode, stdout: "", stderr });
}

async function setUp() {
  const kernel = new FakeKernel();
  const content = new TableContent("t");
  const repairs: string[] = [];
  const nft = new Nft(kernel);
  /** As TableWatch does it: looks without nft, and sends what is not as pictured. */
  const repair = async (_lines: readonly string[], why: string): Promise<void> => {
    repairs.push(why);
    const [is, shall] = [new Set(inKernel(kernel)), new Set(pictured(content))];
    const deletions = [...is].filter((each) => !shall.has(each)).map((each) => deleteLine("t", elementOf(each)));
    const additions = [...shall].filter((each) => !is.has(each)).map((each) => addLine("t", elementOf(each)));
    if (deletions.length + additions.length > 0) await nft.apply([...deletions, ...additions].join("\n"), "put it right");
  };
  const change =
    (before: readonly Element[], after: readonly Element[]): Change =>
    () =>
      content.replace(before, after);
  const nothing: Change = () => ({ undo: () => undefined });
  const transactor = new Transactor(nft, "t", repair);
  await transactor.begin(() => Promise.resolve());
  return { kernel, content, repairs, change, nothing, transactor };
}

/** What the picture says should be in the kernel. */
function pictured(content: TableContent): string[] {
  return ["hold", "dnat", "s", "m"]
    .flatMap((set) => [...content.elementsOf(set)])
    .map(({ set, key, value = "" }) => `${set} ${key} ${value}`.trim())
    .sort();
}

function elementOf(text: string): Element {
  const [set = "", key = "", value] = text.split(" ");
  return value === undefined ? { set, key } : { set, key, value };
}

function inKernel({ elements }: FakeKernel): string[] {
  return [...elements].map(([id, value]) => `${id} ${value}`.trim()).sort();
}

const HOLD: Element = { set: "hold", key: "a" };
const DNAT: Element = { set: "dnat", key: "a", value: "b" };

describe("Transactor, when nft came to no end", () => {
  it.each([
    ["killed before", 3],
    ["killed after", 2],
    ["timeout before", 3],
    ["timeout after", 2],
  ] as const)("looks what the kernel has, and sends what it has not (%s)", async (fate, transactions) => {
    const { kernel, transactor, change, repairs } = await setUp();
    await transactor.submit(change([], [HOLD]), "add it");
    kernel.fates.push(fate);
    await transactor.submit(change([HOLD], [DNAT]), "swap them");
    expect(inKernel(kernel)).toEqual(["dnat a b"]);
    expect(kernel.transactions).toHaveLength(transactions);
    expect(repairs).toEqual(["in doubt"]);
  });

  it("fails if that fails too, and takes back what may have been done with whatever comes next", async () => {
    const { kernel, transactor, change, nothing, repairs } = await setUp();
    await transactor.submit(change([], [HOLD]), "add it");
    kernel.fates.push("killed before", "timeout after");
    await expect(transactor.submit(change([HOLD], [DNAT]), "swap them")).rejects.toMatchObject({ code: "TOOL_TIMEOUT" });
    expect(inKernel(kernel)).toEqual(["dnat a b"]);
    kernel.fates.push("timeout before");
    await expect(transactor.submit(nothing, "look")).rejects.toMatchObject({ code: "TOOL_TIMEOUT" });
    await transactor.submit(nothing, "look");
    expect(inKernel(kernel)).toEqual(["hold a"]);
    await transactor.submit(nothing, "look");
    expect(repairs).toHaveLength(3);
  });

  it("fails all that waited together at once: to try each by itself would take as many time limits", async () => {
    const { kernel, transactor, change } = await setUp();
    kernel.fates.push("timeout before", "timeout after");
    const changes = ["a", "b", "c"].map((key) => transactor.submit(change([], [{ set: "hold", key }]), `add ${key}`));
    expect((await Promise.allSettled(changes)).map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
    expect(kernel.transactions).toHaveLength(2);
  });
});

const ELEMENT = fc.record({ set: fc.constantFrom("s", "m"), key: fc.constantFrom("a", "b", "c") });
const VALUE = fc.constantFrom("x", "y");
const STEP = fc.record({
  owner: fc.integer({ min: 0, max: 2 }),
  elements: fc.uniqueArray(fc.tuple(ELEMENT, VALUE), { selector: ([{ set, key }]) => `${set} ${key}`, maxLength: 4 }),
  fates: fc.array(fc.constantFrom<Fate>("done", "killed before", "killed after", "timeout before", "timeout after", "refused"), {
    maxLength: 3,
  }),
  isAlone: fc.boolean(),
});

fuzzAsync(
  "whatever becomes of nft: ends with the kernel as pictured",
  fc.array(STEP, { maxLength: 12 }),
  async (steps) => {
    const { kernel, content, transactor, change, nothing } = await setUp();
    const owned: Element[][] = [[], [], []];
    const under: Promise<unknown>[] = [];
    for (const { owner, elements, fates, isAlone } of steps) {
      kernel.fates.splice(0, Infinity, ...fates);
      // each owner has keys of its own, as mappings do
      const after = elements.map(([{ set, key }, v]): Element => {
        const own = `${key}${String(owner)}`;
        return set === "m" ? { set, key: own, value: v } : { set, key: own };
      });
      const submitted = transactor.submit(() => {
        const before = owned[owner] ?? [];
        owned[owner] = after;
        const { undo, ...prepared } = change(before, after)();
        return {
          ...prepared,
          undo: () => {
            undo();
            owned[owner] = before;
          },
        };
      }, "change");
      under.push(submitted.catch(() => undefined));
      if (isAlone) await Promise.all(under);
    }
    await Promise.all(under);
    kernel.fates.length = 0;
    await transactor.submit(nothing, "look");
    expect(inKernel(kernel)).toEqual(pictured(content));
  },
  { share: 0.02 },
);
