import { describe, expect, it } from "vitest";
import { Fault } from "../../fault/fault.ts";
import type { ToolRunner } from "../../process/process.ts";
import type { Element } from "./elements.ts";
import { Nft } from "./nft.ts";
import { type Change, Transactor } from "./transactor.ts";

const CLOSED = new Fault("DATAPLANE_CLOSED", "the dataplane is closed");
const ELEMENT: Element = { set: "hold4", key: "tcp . 192.0.2.1 . 80" };
const MAPPED: Element = { set: "dnat4", key: "tcp . 192.0.2.1 . 80", value: "127.0.0.1 . 8080" };

function setUp() {
  const transactions: string[][] = [];
  const tools: ToolRunner = {
    run: (_file, _args, options) => {
      transactions.push((options?.input ?? "").trim().split("\n"));
      return Promise.resolve({ exitCode: 0, stdout: "", stderr: "" });
    },
  };
  const transactor = new Transactor(new Nft(tools), "t", () => Promise.reject(new Error("not to be remade")));
  const picture: string[] = [];
  const change =
    (line: string): Change =>
    () => {
      picture.push(line);
      return { lines: [line], undo: () => picture.splice(picture.indexOf(line), 1) };
    };
  const outcomes: string[] = [];
  const submit = (line: string): Promise<void> =>
    transactor.submit(change(line), `add ${line}`).then(
      () => void outcomes.push(`${line} done`),
      (error: unknown) => void outcomes.push(`${line}: ${(error as Error).message}`),
    );
  return { transactor, transactions, picture, outcomes, submit };
}

async function turn(): Promise<void> {
  for (let count = 0; count < 3; count++) await new Promise((resolve) => setImmediate(resolve));
}

describe("Transactor: the first table", () => {
  it("has all that was submitted before it, in no transaction of its own", async () => {
    const { transactor, transactions, picture, outcomes, submit } = setUp();
    const submitted = [submit("a"), submit("b")];
    await turn();
    expect([picture, outcomes, transactions]).toEqual([["a", "b"], [], []]);
    let seen: string[] = [];
    await transactor.begin(() => {
      seen = [...picture];
      return Promise.resolve();
    });
    await Promise.all(submitted);
    expect([seen, outcomes, transactions]).toEqual([["a", "b"], ["a done", "b done"], []]);
  });

  it("comes before what is submitted while it is made", async () => {
    const { transactor, transactions, picture, submit } = setUp();
    const order: string[] = [];
    let later: Promise<void> | undefined;
    await transactor.begin(async () => {
      later = submit("late");
      await turn();
      order.push(`made with ${picture.join()}`, `${String(transactions.length)} transactions`);
    });
    await later;
    expect([order, transactions]).toEqual([["made with ", "0 transactions"], [["late"]]]);
  });

  it("fails for those who wait for it once it is abandoned, and not before", async () => {
    const { transactor, outcomes, submit } = setUp();
    const submitted = submit("a");
    await expect(transactor.begin(() => Promise.reject(new Error("nft failed")))).rejects.toThrow("nft failed");
    await turn();
    expect(outcomes).toEqual([]);
    transactor.abandon(CLOSED);
    await submitted;
    transactor.abandon(CLOSED);
    expect(outcomes).toEqual(["a: the dataplane is closed"]);
  });

  it("fails for those too who came while it was made, and brings them nowhere", async () => {
    const { transactor, transactions, outcomes, submit } = setUp();
    let later: Promise<void> | undefined;
    const begun = transactor.begin(async () => {
      later = submit("late");
      await turn();
      throw new Error("nft failed");
    });
    await expect(begun).rejects.toThrow("nft failed");
    await turn();
    expect([transactions, outcomes]).toEqual([[], []]);
    transactor.abandon(CLOSED);
    await later;
    expect(outcomes).toEqual(["late: the dataplane is closed"]);
  });

  it("fails at once for those who come when it was given up", async () => {
    const { transactor, outcomes, submit } = setUp();
    transactor.abandon(CLOSED);
    await Promise.race([submit("a"), turn()]);
    expect(outcomes).toEqual(["a: the dataplane is closed"]);
  });

  it("is not given up any more once it is there", async () => {
    const { transactor, transactions, outcomes, submit } = setUp();
    await transactor.begin(() => Promise.resolve());
    const submitted = submit("a");
    transactor.abandon(CLOSED);
    await submitted;
    await submit("b");
    expect([transactions, outcomes]).toEqual([
      [["a"], ["b"]],
      ["a done", "b done"],
    ]);
  });
});

describe("Transactor: elements", () => {
  async function sent(...changes: { deleted?: Element[]; added?: Element[]; lines?: string[] }[]): Promise<string[]> {
    const { transactor, transactions } = setUp();
    await transactor.begin(() => Promise.resolve());
    await Promise.all(changes.map((each) => transactor.submit(() => ({ ...each, undo: () => undefined }), "change")));
    expect(transactions.length).toBeLessThanOrEqual(1);
    return transactions[0] ?? [];
  }

  it("are left alone when one change deletes what another adds", async () => {
    expect(await sent({ deleted: [ELEMENT] }, { added: [ELEMENT] })).toEqual([]);
    expect(await sent({ added: [ELEMENT] }, { deleted: [ELEMENT] })).toEqual([]);
    expect(await sent({ deleted: [MAPPED] }, { added: [{ ...MAPPED }] })).toEqual([]);
  });

  it("are deleted and added when they get another value", async () => {
    const other = { ...MAPPED, value: "127.0.0.1 . 9090" };
    const lines = [
      "delete element inet t dnat4 { tcp . 192.0.2.1 . 80 }",
      "add element inet t dnat4 { tcp . 192.0.2.1 . 80 : 127.0.0.1 . 9090 }",
    ];
    expect(await sent({ added: [other] }, { deleted: [MAPPED] })).toEqual(lines);
    expect(await sent({ deleted: [MAPPED], added: [other] })).toEqual(lines);
  });

  it("come after what they refer to, deletions first", async () => {
    expect(await sent({ added: [MAPPED] }, { lines: ["add chain inet t flow_5s"], deleted: [ELEMENT] })).toEqual([
      "add chain inet t flow_5s",
      "delete element inet t hold4 { tcp . 192.0.2.1 . 80 }",
      "add element inet t dnat4 { tcp . 192.0.2.1 . 80 : 127.0.0.1 . 8080 }",
    ]);
  });

  it("change once, however often they change in between", async () => {
    expect(await sent({ added: [ELEMENT] }, { deleted: [ELEMENT] }, { added: [ELEMENT] })).toEqual([
      "add element inet t hold4 { tcp . 192.0.2.1 . 80 }",
    ]);
    expect(await sent({ deleted: [ELEMENT] }, { added: [ELEMENT] }, { deleted: [ELEMENT] })).toEqual([
      "delete element inet t hold4 { tcp . 192.0.2.1 . 80 }",
    ]);
  });
});
