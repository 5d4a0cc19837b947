/** `frontend "a"`, `frontends "a" and "b"`, `4 frontends ("a", "b", …)`. */
export function named(what: string, names: readonly string[]): string {
  const quoted = [...new Set(names)].map((name) => `"${name}"`);
  const [first = "", second] = quoted;
  if (second === undefined) return `${what} ${first}`;
  if (quoted.length === 2) return `${what}s ${first} and ${second}`;
  return `${quoted.length} ${what}s (${first}, ${second}, …)`;
}
