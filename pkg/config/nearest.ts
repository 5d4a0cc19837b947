/** The candidate that `word` is probably meant to be: the fewest edits away, at most a third of its length. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let limit = Math.max(1, Math.floor(word.length / 3));
  let best: string | undefined;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - word.length) > limit) continue;
    const distance = edits(word.toLowerCase(), candidate.toLowerCase());
    if (distance > limit || (best !== undefined && distance === limit)) continue;
    limit = distance;
    best = candidate;
  }
  return best;
}

/** Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment). */
function edits(a: string, b: string): number {
  let older: number[] = [];
  let old = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const swap = swapped ? at(older, j - 2) + 1 : Infinity;
      row.push(Math.min(at(old, j) + 1, at(row, j - 1) + 1, at(old, j - 1) + (same ? 0 : 1), swap));
    }
    older = old;
    old = row;
  }
  return at(old, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Infinity;
}

/** `; did you mean "x"?` when something is near, else `; known <plural>: …`. */
export function suggestion(word: string, plural: string, candidates: readonly string[]): string {
  const near = nearest(word, candidates);
  if (near !== undefined) return `; did you mean ${quote(near)}?`;
  if (candidates.length === 0) return `; there are no ${plural}`;
  return `; known ${plural}: ${listOf(candidates, "and")}`;
}

const LONGEST_LIST = 12;

/** `"a", "b" and "c"`; of a long list only the beginning. */
export function listOf(words: readonly string[], joint: "and" | "or"): string {
  const shown = words.slice(0, LONGEST_LIST).map(quote);
  if (words.length > LONGEST_LIST) return `${shown.join(", ")} and ${words.length - LONGEST_LIST} more`;
  const last = shown.pop() ?? "";
  return shown.length === 0 ? last : `${shown.join(", ")} ${joint} ${last}`;
}

const LONGEST_QUOTE = 60;

/** In quotation marks, in one line, cut where it's long. */
export function quote(text: string): string {
  const points = Array.from(text);
  return JSON.stringify(points.length > LONGEST_QUOTE ? `${points.slice(0, LONGEST_QUOTE).join("")}…` : text);
}
