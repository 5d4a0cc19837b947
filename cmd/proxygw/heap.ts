/**
 * How much memory the daemon keeps. Its start makes several times what stays, and a status of thousands of targets megabytes; V8 by itself
 * lets garbage grow with the heap, and is in no hurry to give pages back.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** Percent of what is alive by which the heap may grow until it is collected; V8's own choice is up to three hundred. */
const GROWTH = 25;

/** To be called when the start is done. Takes some milliseconds for each ten megabytes that stay. */
export function settleHeap(): void {
  setFlagsFromString(`--heap-growing-percent=${String(GROWTH)}`);
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // pages that are half empty by now would stay so: what is alive was made among all the rest
  setFlagsFromString("--compact-on-every-full-gc");
  collect();
  setFlagsFromString("--no-compact-on-every-full-gc");
}
