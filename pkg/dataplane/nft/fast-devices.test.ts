import { describe, expect, it } from "vitest";
import { collectingLog } from "../../log/collecting-log.ts";
import type { RulesetPart, RulesetReader } from "../../netlink/netlink.ts";
import { FastDevices, findFastPath } from "./fast-devices.ts";
import { LONGEST_FAST_MS } from "./fast-path.ts";
import { Nft } from "./nft.ts";
import { Transactor } from "./transactor.ts";
import { WholeTable } from "./whole-table.ts";

const REFUSAL = { exitCode: 1, stdout: "", stderr: "Error: Could not process rule: Operation not supported\n" };

class Setting {
  interfaces = ["lo", "eth0"];
  /** What nft was given. */
  readonly texts: string[] = [];
  readonly log = collectingLog();
  readonly whole = new WholeTable("t");
  /** Of transactions with this in them, the kernel wants nothing to know. */
  refused = "nothing";
  readonly nft = new Nft({
    run: (_file, _args, options) => {
      const text = options?.input ?? "";
      this.texts.push(text);
      return Promise.resolve(text.includes(this.refused) ? REFUSAL : { exitCode: 0, stdout: "", stderr: "" });
    },
  });
  readonly devices: FastDevices;

  constructor() {
    const transactor = new Transactor(this.nft, "t", () => Promise.resolve());
    void transactor.begin(() => Promise.resolve());
    const marks = { masquerade: 1, queue: 2, refuse: 4, ignore: 1 };
    this.whole.spec = { table: "t", marks, queue: { way: "none" }, loopbackGuard: false, forwardGuard: [], fastPath: [] };
    const sysctls = { interfaces: () => Promise.resolve(this.interfaces) };
    this.devices = new FastDevices({ table: "t", whole: this.whole, transactor, sysctls, log: this.log });
  }

  get names(): (string | undefined)[] {
    return this.whole.spec?.fastPath?.map(({ name }) => name) ?? [];
  }
}

/** A kernel that has the flowtable with `names`, and chains. */
function kernel(names: string[], chains: string[]): RulesetReader {
  const flowtable: RulesetPart = {
    kind: "flowtable",
    name: "fast",
    identity: names.map((name) => `\x09\0\x01\0${name}\0`).join(""),
  };
  const parts = [flowtable, ...chains.map((name): RulesetPart => ({ kind: "chain", name, identity: "" }))];
  return {
    generation: () => 1,
    parts: () => Promise.resolve(parts),
    elements: () => Promise.resolve(),
    element: () => undefined,
    edit: () => undefined,
    close: () => undefined,
  };
}

describe("FastDevices", () => {
  it("gives interfaces that have come the fast path, once", async () => {
    const { devices, texts, ...setting } = new Setting();
    await devices.follow(undefined);
    await devices.follow(undefined);
    await devices.follow(kernel(["eth0"], ["ingress_1"]));
    expect(texts).toEqual([
      [
        'add flowtable inet t fast {\nhook ingress priority 0;\ndevices = { "eth0" };\n}',
        'add chain inet t ingress_1 {\ntype filter hook ingress device "eth0" priority -10; policy accept;\n}',
        "flush chain inet t ingress_1",
        "add rule inet t ingress_1 goto fast_clock\n",
      ].join("\n"),
    ]);
    expect(setting.whole.spec?.fastPath).toEqual([{ name: "eth0", number: 1 }]);
  });

  it.each([
    ["another interface by its name", kernel([], [])],
    ["an interface that the flowtable lost", kernel(["veth0"], ["ingress_1"])],
    ["an interface whose chain is gone", kernel(["eth0"], ["ingress_2"])],
  ])("gives %s the fast path again", async (_what, reader) => {
    const { devices, texts } = new Setting();
    await devices.follow(undefined);
    await devices.follow(reader);
    expect(texts).toHaveLength(2);
    expect(texts[1]).toBe(texts[0]);
  });

  it("forgets interfaces that have gone, so that the table can be made without them", async () => {
    const setting = new Setting();
    setting.interfaces = ["eth0", "eth1"];
    await setting.devices.follow(undefined);
    setting.interfaces = ["eth1"];
    await setting.devices.forgetGone();
    expect(setting.names).toEqual(["eth1"]);
    expect(setting.whole.text()).not.toContain("eth0");
  });

  it("leaves out an interface that the kernel refuses, until it comes anew", async () => {
    const setting = new Setting();
    setting.interfaces = ["tun0", "eth0"];
    setting.refused = '"tun0"';
    await setting.devices.follow(undefined);
    await setting.devices.follow(undefined);
    expect(setting.names).toEqual(["eth0"]);
    expect(setting.texts).toHaveLength(2);
    expect(setting.log.entries.filter(({ fields }) => fields["interface"] === "tun0")).toHaveLength(1);
    setting.interfaces = ["eth0"];
    await setting.devices.follow(undefined);
    setting.interfaces = ["tun0", "eth0"];
    await setting.devices.follow(undefined);
    expect(setting.texts).toHaveLength(3);
  });
});

describe("findFastPath", () => {
  const find = (setting: Setting, wanted: "off" | "auto" | "on", seconds?: string): Promise<number | undefined> =>
    findFastPath(wanted, { nft: setting.nft, sysctls: { get: () => Promise.resolve(seconds) }, log: setting.log });

  it("asks for nothing where none is wanted", async () => {
    const setting = new Setting();
    expect(await find(setting, "off")).toBeUndefined();
    expect(setting.texts).toEqual([]);
  });

  it("lets flows live as long as the kernel keeps them", async () => {
    expect(await find(new Setting(), "on", "432000")).toBe(LONGEST_FAST_MS);
    expect(await find(new Setting(), "auto", "600")).toBe(600_000);
    expect(await find(new Setting(), "auto")).toBe(LONGEST_FAST_MS);
  });

  it("is an error where it was asked for and the kernel has none, and else said", async () => {
    const setting = new Setting();
    setting.refused = "flowtable";
    await expect(find(setting, "on")).rejects.toMatchObject({ code: "FASTPATH_UNSUPPORTED" });
    expect(await find(setting, "auto")).toBeUndefined();
    expect(setting.log.entries).toHaveLength(1);
  });
});
