/** The programs that the daemon runs, with faults. */
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * What becomes of a run: "fail" does nothing and says so, "hang" never ends, "late" takes 6 s longer, "kill before" and "kill after" end
 * by SIGKILL before or after the program did its work.
 */
type Fate = "fail" | "hang" | "late" | "kill before" | "kill after";

/** Reads what it is given, so that a fault can be had for some transactions only. */
const SCRIPT = `#!/bin/sh
self=$(basename "$0")
dir=$(dirname "$0")
real=$(PATH=/usr/sbin:/sbin:/usr/bin:/bin command -v "$self")
given="$*"
case "$given" in *"-f -"*) input=$(cat); given="$given $input" ;; esac
fate=
for file in "$dir/$self".fate.*; do
  [ -e "$file" ] || continue
  printf '%s' "$given" | grep -Eq -e "$(sed -n 2p "$file")" || continue
  fate=$(sed -n 1p "$file")
  # a fate without a third line is for one run
  [ -n "$(sed -n 3p "$file")" ] || rm "$file" 2>/dev/null || { fate=; continue; }
  break
done
case "$fate" in
  fail) echo "Error: Could not process rule: Cannot allocate memory" >&2; exit 1 ;;
  hang) exec sleep 60 ;;
  late) sleep 6 ;;
  "kill before") kill -9 $$ ;;
esac
if [ -n "$input" ]; then printf '%s\\n' "$input" | "$real" "$@"; else "$real" "$@"; fi
status=$?
[ "$fate" = "kill after" ] && kill -9 $$
exit $status
`;

/** Stands in PATH before the real ones. */
export class FaultyTools {
  readonly directory: string;
  #count = 0;

  private constructor(directory: string) {
    this.directory = directory;
  }

  /** `parent`: a directory whose removal is somebody else's. */
  static async create(parent: string): Promise<FaultyTools> {
    const tools = new FaultyTools(join(parent, "tools"));
    await mkdir(tools.directory);
    const path = join(tools.directory, "nft");
    await writeFile(path, SCRIPT);
    await chmod(path, 0o755);
    return tools;
  }

  get wrapper(): string[] {
    return ["env", `PATH=${this.directory}:${process.env["PATH"] ?? ""}`];
  }

  /** From now on, for runs whose arguments or input match `pattern`; `times`: so many of them. Returns what ends it. */
  async fault(tool: "nft", fate: Fate, pattern = ".", times = Infinity): Promise<() => Promise<void>> {
    const files: string[] = [];
    for (let left = Math.min(times, 100); left > 0; left--) {
      const file = join(this.directory, `${tool}.fate.${String(1000 + this.#count++)}`);
      await writeFile(`${file}.new`, `${fate}\n${pattern}\n${times === Infinity ? "always\n" : ""}`);
      files.push(file);
      if (times === Infinity) break;
    }
    for (const file of files) await rename(`${file}.new`, file);
    return async () => {
      for (const file of files) await rm(file, { force: true });
    };
  }
}
