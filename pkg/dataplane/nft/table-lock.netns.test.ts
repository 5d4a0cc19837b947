import { execa } from "execa";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../clock/clock.ts";
import { collectingLog } from "../../log/collecting-log.ts";
import { TableLock } from "./table-lock.ts";

/** Becomes a user, takes a name, and with "full" leaves no room for a connection. */
const SQUATTER = `
import os, socket, sys
os.setuid(int(sys.argv[3]))
s = socket.socket(socket.AF_UNIX)
s.bind("\\0" + sys.argv[1])
s.listen(0)
waiting = [socket.socket(socket.AF_UNIX) for _ in range(3 if sys.argv[2] == "full" else 0)]
for each in waiting:
    each.setblocking(False)
    try: each.connect("\\0" + sys.argv[1])
    except BlockingIOError: pass
print("taken", flush=True)
sys.stdin.read()
`;
const NOBODY = 65534;

describe("TableLock", () => {
  const cleanups: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  function lock(table = "locked") {
    const log = collectingLog();
    const made = new TableLock({ table, clock: systemClock, log });
    cleanups.push(() => made.release());
    return { lock: made, log };
  }

  /** Gives the pid of who has the name from now on. */
  async function take(name: string, uid: number, mode = ""): Promise<number> {
    const child = execa("python3", ["-c", SQUATTER, name, mode, String(uid)], { reject: false });
    cleanups.push(() => {
      child.kill("SIGKILL");
      return child;
    });
    await child.iterable().next();
    return child.pid ?? 0;
  }

  it("is one daemon's, for each table", async () => {
    const first = lock();
    await first.lock.acquire();
    const taken = { code: "TABLE_IN_USE", message: expect.stringContaining(`(pid ${process.pid})`) as string };
    await expect(lock().lock.acquire()).rejects.toMatchObject(taken);
    // who was refused holds nothing
    await lock("locked_too").lock.acquire();
    await first.lock.release();
    await first.lock.release();
    await lock().lock.acquire();
  });

  it("is held by another process of root, and free when that was killed", async () => {
    const pid = await take("proxygw/locked/1-abc", 0);
    await expect(lock().lock.acquire()).rejects.toThrow(`(pid ${pid})`);
    await cleanups.splice(0).at(0)?.();
    await lock().lock.acquire();
  });

  it.each(["", "full"])("can't be held by other users (%s)", async (mode) => {
    const pids = [await take("proxygw/locked", NOBODY, mode), await take("proxygw/locked/1-abc", NOBODY, mode)];
    const { lock: wanted, log } = lock();
    await wanted.acquire();
    expect(log.messages("warn")).toEqual(["somebody who is not root pretends to own the table; going on"]);
    expect(log.entries[0]?.fields["pid"]).toBe(mode === "full" ? undefined : pids[1]);
    await expect(lock().lock.acquire()).rejects.toMatchObject({ code: "TABLE_IN_USE" });
  });
});
