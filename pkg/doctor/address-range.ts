import { hasCode } from "../fault/fault.ts";
import { parseCidr } from "../value/cidr.ts";
import type { Range } from "./rules.ts";

/** Of an address or a block such as "10.0.0.0/8"; undefined: it is none. */
export function addressRange(text: string): Range | undefined {
  try {
    const { first, last } = parseCidr(text);
    return [first, last];
  } catch (error) {
    if (hasCode(error, "VALUE_INVALID")) return undefined;
    throw error;
  }
}
