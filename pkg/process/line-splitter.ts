const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const CUT_MARK = " [cut]";

/**
 * Lines of a stream of bytes. Works on bytes up to each line's end, so that a character which comes in two pieces stays
 * whole; what is not UTF-8 becomes U+FFFD.
 */
export class LineSplitter {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  #parts: Buffer[] = [];
  #length = 0;
  #cut = false;

  /** @param limit bytes of one line that are kept; the rest of a longer one is dropped, and " [cut]" put in its place */
  constructor(limit: number, onLine: (line: string) => void) {
    this.#limit = limit;
    this.#onLine = onLine;
  }

  /** `chunk` may be reused by the caller afterwards. */
  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      this.#add(chunk.subarray(start, end));
      this.end(true);
      start = end + 1;
    }
    this.#add(chunk.subarray(start));
  }

  /** Hands over what is left without a line's end; with `evenEmpty`, also when that is nothing. */
  end(evenEmpty = false): void {
    const bytes = Buffer.concat(this.#parts);
    const cut = this.#cut;
    this.#parts = [];
    this.#length = 0;
    this.#cut = false;
    if (bytes.length === 0 && !evenEmpty) return;
    this.#onLine(cut ? wholeCharacters(bytes).toString() + CUT_MARK : withoutReturn(bytes).toString());
  }

  #add(bytes: Buffer): void {
    const room = this.#limit - this.#length;
    if (bytes.length > room) this.#cut = true;
    if (bytes.length === 0 || room === 0) return;
    const kept = bytes.subarray(0, room);
    this.#parts.push(Buffer.from(kept));
    this.#length += kept.length;
  }
}

function withoutReturn(bytes: Buffer): Buffer {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
}

/** Without the first bytes of a character whose others were cut off. */
function wholeCharacters(bytes: Buffer): Buffer {
  // a character has at most three bytes after its first one, which are 10xxxxxx
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0;
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1;
    return needed > back ? bytes.subarray(0, -back) : bytes;
  }
  return bytes;
}
