import { closeSync, readdirSync, readFileSync } from "node:fs";

/** As /proc/PID/fdinfo has it, in octal: proc(5), open(2). */
const O_CLOEXEC = 0o2000000;

/**
 * Closes the descriptors, besides the standard three, that whoever started this process left open: every command would
 * have them too, and keep a lock or pipe alive for as long as it runs. Those that Node opened are close-on-exec, which
 * tells them apart; so this is to be called before anything is opened in another way.
 */
export function closeInheritedDescriptors(): void {
  // a parent that is Node speaks through one of them
  if (process.channel !== undefined) return;
  for (const descriptor of readdirSync("/proc/self/fd").map(Number)) {
    if (descriptor > 2 && isInherited(descriptor)) closeSync(descriptor);
  }
}

function isInherited(descriptor: number): boolean {
  try {
    const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${descriptor}`, "latin1"))?.[1];
    return flags !== undefined && (Number.parseInt(flags, 8) & O_CLOEXEC) === 0;
  } catch {
    // the one through which the directory was read
    return false;
  }
}
