/** As the daemon sends it; anything may be missing. */
interface Report {
  readonly targets?: Resources;
  readonly frontends?: Resources;
  readonly failures?: readonly { readonly name: string; readonly error: string }[];
}

interface Resources {
  readonly added?: readonly string[];
  readonly removed?: readonly string[];
  readonly changed?: readonly { readonly name: string; readonly fields: readonly string[]; readonly made_anew?: boolean }[];
}

/** What a reload did, for people: one line for each target and frontend that is not what it was. */
export function reloadLines(body: unknown): { readonly lines: readonly string[]; readonly isWhole: boolean } {
  const { targets, frontends, failures = [] } = (body ?? {}) as Report;
  const changes = [...resourceLines("target", targets), ...resourceLines("frontend", frontends)];
  const failed = failures.map(({ name, error }) => `failed   ${name}: ${error}`);
  const lines = changes.length + failed.length === 0 ? ["nothing changed"] : [...changes, ...failed];
  return { lines, isWhole: failed.length === 0 };
}

function resourceLines(what: string, { added = [], removed = [], changed = [] }: Resources = {}): string[] {
  return [
    ...added.map((name) => `added    ${what} ${name}`),
    ...removed.map((name) => `removed  ${what} ${name}`),
    ...changed.map(
      ({ name, fields, made_anew: anew = false }) =>
        `changed  ${what} ${name} (${fields.join(", ")})${anew ? (what === "target" ? ": its service was stopped" : ": begun again") : ""}`,
    ),
  ];
}
