/** Generated parts of pages. */

const BEGIN = "<!-- made by make bench-docs: -->";
const END = "<!-- end of what was made -->";

/** `page` with what is between its marks replaced. @throws Error when it has no marks */
export function withSection(page: string, section: string, name: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin === -1 || end < begin) throw new Error(`${name} has no "${BEGIN}" before a "${END}"`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${section}\n\n${page.slice(end)}`;
}
