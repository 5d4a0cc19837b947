/** Canonical text of addresses in packets: the same as the platform's, which configured addresses are compared in. */

export function ipv4Text(data: Buffer, offset: number): string {
  return `${octet(data, offset)}.${octet(data, offset + 1)}.${octet(data, offset + 2)}.${octet(data, offset + 3)}`;
}

function octet(data: Buffer, offset: number): string {
  return String(data.readUInt8(offset));
}

const GROUPS = 8;

/** RFC 5952, with the last four bytes in dotted form where inet_ntop(3) writes them so. */
export function ipv6Text(data: Buffer, offset: number): string {
  const groups: number[] = [];
  for (let group = 0; group < GROUPS; group++) groups.push(data.readUInt16BE(offset + 2 * group));
  const zeros = longestZeros(groups);
  if (zeros.length < 2) return hexText(groups);
  if (hasDottedEnd(groups, zeros)) return `::${groups[5] === 0xffff ? "ffff:" : ""}${ipv4Text(data, offset + 12)}`;
  return `${hexText(groups.slice(0, zeros.start))}::${hexText(groups.slice(zeros.start + zeros.length))}`;
}

interface Run {
  readonly start: number;
  readonly length: number;
}

/** The longest run of zero groups; of several, the first. */
function longestZeros(groups: readonly number[]): Run {
  let longest: Run = { start: 0, length: 0 };
  let start = 0;
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1;
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start };
  }
  return longest;
}

/** IPv4-mapped (::ffff:a.b.c.d) and IPv4-compatible (::a.b.c.d) addresses. */
function hasDottedEnd(groups: readonly number[], zeros: Run): boolean {
  if (zeros.start !== 0) return false;
  return zeros.length === 6 || (zeros.length === 5 && groups[5] === 0xffff);
}

function hexText(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(":");
}
