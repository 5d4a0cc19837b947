import { describe, expect, it } from "vitest";
import type { ToolRunner } from "../../process/process.ts";
import { Nft } from "./nft.ts";
import type { Element } from "./elements.ts";
import { type Change, Transactor } from "./transactor.ts";

/** Records each transaction; refuses those with a line that begins with "bad". */
function setUp() {
  const transactions: string[][] = [];
  const tools: ToolRunner = {
    run: async (_file, _args, options) => {
      await new Promise((resolve) => setImmediate(resolve));
      const lines = (options?.input ?? "").trim().split("\n");
      transactions.push(lines);
      const bad = lines.some((line) => line.startsWith("bad")) ? "File exists" : undefined;
      const why = bad ?? (lines.some((line) => line.startsWith("gone")) ? "No such file or directory" : undefined);
      return {
        exitCode: why === undefined ? 0 : 1,
        stdout: "",
        stderr: why === undefined ? "" : `Error: Could not process rule: ${why}\n`,
      };
    },
  };
  const picture: string[] = [];
  const change =
    (line: string): Change =>
    () => {
      picture.push(line);
      return {
        lines: [`${line} after ${String(picture.length - 1)}`],
        undo: () => {
          picture.splice(picture.lastIndexOf(line), 1);
        },
      };
    };
  const remade: string[][] = [];
  const remake = (): Promise<void> => {
    remade.push([...picture]);
    return remade.length > 1 ? Promise.reject(new Error("cannot be made")) : Promise.resolve();
  };
  const leaving: string[] = [];
  /** What was changed without nft, as long as it is taken. */
  const direct = { isTaken: false, changes: [] as string[] };
  const applyDirectly = (deleted: readonly Element[], added: readonly Element[]): Promise<boolean> => {
    if (direct.isTaken) direct.changes.push(`-${deleted.map(({ key }) => key).join()} +${added.map(({ key }) => key).join()}`);
    return Promise.resolve(direct.isTaken);
  };
  const onLeaving = (deleted: readonly Element[]): Promise<(gone: boolean) => void> => {
    const keys = deleted.map(({ key }) => key).join();
    if (keys !== "") leaving.push(`${keys} leaves after ${String(transactions.length)}`);
    return Promise.resolve((gone) => {
      if (keys !== "") leaving.push(`${keys} ${gone ? "is gone" : "stays"} after ${String(transactions.length)}`);
    });
  };
  const transactor = new Transactor(new Nft(tools), "t", remake, onLeaving, { apply: applyDirectly });
  const begun = transactor.begin(() => Promise.resolve());
  return { transactor, begun, transactions, picture, change, remade, leaving, direct };
}

describe("Transactor", () => {
  it("leaves elements to who changes them directly, and to nft what that does not take", async () => {
    const { begun, transactor, transactions, change, direct } = setUp();
    await begun;
    const wake = (): { deleted: Element[]; undo: () => void } => ({
      deleted: [{ set: "hold4", key: "a" }],
      undo: () => undefined,
    });
    direct.isTaken = true;
    await transactor.submit(wake, "wake");
    expect([direct.changes, transactions]).toEqual([["-a +"], []]);
    // what elements refer to is nft's
    await transactor.submit(change("chain"), "add a chain");
    direct.isTaken = false;
    await transactor.submit(wake, "wake");
    expect([direct.changes.length, transactions]).toEqual([1, [["chain after 0"], ["delete element inet t hold4 { a }"]]]);
  });

  it("puts what waits into one transaction, in order", async () => {
    const { begun, transactor, transactions, change } = setUp();
    await begun;
    const first = transactor.submit(change("a"), "add a");
    await new Promise((resolve) => setImmediate(resolve));
    await Promise.all([first, transactor.submit(change("b"), "add b"), transactor.submit(change("c"), "add c")]);
    expect(transactions).toEqual([["a after 0"], ["b after 1", "c after 2"]]);
  });

  it("lets only the bad change's caller hear of it, and forgets about it", async () => {
    const { begun, transactor, transactions, picture, change } = setUp();
    await begun;
    const outcomes = await Promise.allSettled(["a", "bad", "c"].map((line) => transactor.submit(change(line), `add ${line}`)));
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(outcomes[1]).toMatchObject({
      reason: { code: "NFT_EXISTS", message: "nft could not add bad: Could not process rule: File exists" },
    });
    expect(picture).toEqual(["a", "c"]);
    expect(transactions).toEqual([["a after 0", "bad after 1", "c after 2"], ["a after 0"], ["bad after 1"], ["c after 1"]]);
  });

  it("tells what is about to be deleted, and whether it is gone", async () => {
    const { begun, transactor, transactions, leaving } = setUp();
    await begun;
    const element = (key: string) => ({ set: "s", key });
    const undo = (): void => undefined;
    await transactor.submit(() => ({ added: [element("a")], undo }), "add");
    expect(leaving).toEqual([]);
    await transactor.submit(() => ({ deleted: [element("a"), element("b")], added: [element("b")], undo }), "delete");
    expect(transactions.at(-1)).toEqual(["delete element inet t s { a }"]);
    await expect(transactor.submit(() => ({ lines: ["bad"], deleted: [element("c")], undo }), "delete")).rejects.toMatchObject({
      code: "NFT_EXISTS",
    });
    expect(leaving).toEqual(["a leaves after 1", "a is gone after 2", "c leaves after 2", "c stays after 3"]);
  });

  it("runs nothing for a change without lines", async () => {
    const { begun, transactor, transactions } = setUp();
    await begun;
    await transactor.submit(() => ({ lines: [], undo: () => undefined }), "do nothing");
    expect(transactions).toEqual([]);
  });

  it("reports a change that throws to its caller", async () => {
    const { begun, transactor, change } = setUp();
    await begun;
    const broken: Change = () => {
      throw new Error("broken");
    };
    const outcomes = await Promise.allSettled([transactor.submit(broken, "x"), transactor.submit(change("a"), "add a")]);
    expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
  });

  it("makes the table again when it is gone, the change included, and fails only if that fails", async () => {
    const { begun, transactor, picture, change, remade } = setUp();
    await begun;
    await Promise.all([transactor.submit(change("a"), "add a"), transactor.submit(change("gone"), "add gone")]);
    expect(remade).toEqual([["a", "gone"]]);
    await expect(transactor.submit(change("gone again"), "add again")).rejects.toThrow("cannot be made");
    expect(picture).toEqual(["a", "gone"]);
  });

  it("does work alone when its turn comes, between changes", async () => {
    const { begun, transactor, transactions, change } = setUp();
    await begun;
    const during: number[] = [];
    const work = async (): Promise<void> => {
      during.push(transactions.length);
      await new Promise((resolve) => setImmediate(resolve));
      during.push(transactions.length);
    };
    const failing = transactor.alone(() => Promise.reject(new Error("failed")));
    await Promise.all([
      transactor.submit(change("a"), "add a"),
      transactor.alone(work),
      transactor.submit(change("b"), "add b"),
      expect(failing).rejects.toThrow("failed"),
    ]);
    expect(transactions).toEqual([["a after 0"], ["b after 1"]]);
    expect(during).toEqual([1, 1]);
  });
});
