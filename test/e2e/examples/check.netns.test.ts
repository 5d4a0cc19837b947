/** `proxygw check` takes every example, on a machine that has the users which it names. */
import { readdir } from "node:fs/promises";
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { Topology } from "../topology.ts";
import { CONFIGS, machineDirectory, onMachine } from "./example.ts";

const PROGRAM = resolve(import.meta.dirname, "../../../build/proxygw");

describe("proxygw check", async () => {
  const names = await readdir(CONFIGS);

  it.each(names)("takes the example %s", async (name) => {
    await using topology = await Topology.create();
    // where others could not change it, as the checkout's own directories may let them
    const script = `cp ${CONFIGS}/${name} /srv; exec ${PROGRAM} check --config /srv/${name}`;
    const [unshare, args] = onMachine(await machineDirectory(), script);
    const { exitCode, stdout, stderr } = await topology.run("gateway", unshare, ...args);
    expect(stderr).toBe("");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/: valid \(1 target, [12] frontends?\)\npackets for targets that are not active: held by /);
  });
});
