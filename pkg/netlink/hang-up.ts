import { closeSync, constants, fstatSync, openSync } from "node:fs";
import { hasCode } from "../fault/fault.ts";
import { loadLibc } from "./libc.ts";

/**
 * Calls `onHangUp`, once, when nobody reads the pipe any more that `descriptor` writes to. Node itself finds that out only at the next
 * write, which may be hours away. What is no pipe is not watched. Returns what ends the watch, to be called in any case; without it the
 * event loop stays alive.
 * @throws Fault FFI_UNAVAILABLE; a system error when the descriptor is not open, or a pipe that another user made
 */
export async function watchForHangUp(descriptor: number, onHangUp: () => void): Promise<() => void> {
  if (!fstatSync(descriptor).isFIFO()) return () => undefined;
  const { poll } = await loadLibc();
  // one of its own: libuv watches a descriptor for one purpose only
  const watched = openWriter(descriptor);
  if (watched === undefined) {
    onHangUp();
    return () => undefined;
  }
  let isOver = false;
  // what only writes never becomes readable, so whatever is reported is the pipe's error
  const watch = poll(watched, () => {
    // an exception thrown in koffi's callback would be swallowed
    setImmediate(() => {
      if (isOver) return;
      end();
      onHangUp();
    });
  });
  const end = (): void => {
    if (isOver) return;
    isOver = true;
    watch.close();
    closeSync(watched);
  };
  return end;
}

/** undefined: nobody reads it already now. */
function openWriter(descriptor: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${descriptor}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch (error) {
    if (hasCode(error, "ENXIO")) return undefined;
    throw error;
  }
}
