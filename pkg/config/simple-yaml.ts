import { Fault } from "../fault/fault.ts";

/** What this reader does not know about: the text may be right or wrong. */
const UNUSUAL = new Fault("YAML_UNUSUAL", "not simple YAML");

/** No line breaks but "\n", no tabs, nothing that the YAML of different authors has different opinions of. */
const UNUSUAL_CHARACTER = /[^\n\x20-\x7e\u00a1-\u2027\u202a-\ud7ff]/;
/** A key that is text whatever the schema, and what ends it. `<<` is none. */
const KEY = /([A-Za-z_][\w-]{0,99}):(?= |\n|$)/y;
const FLOW_TEXT = /[^,[\]{}\n]+/y;
/** Where plain text cannot begin, or where it takes a closer look. */
const INDICATORS = new Set("-?:,[]{}#&*!|>'\"%@`");
/** The core schema's (YAML 1.2, 10.3.2). */
const WORDS: ReadonlyMap<string, unknown> = new Map([
  ...["~", "null", "Null", "NULL"].map((word) => [word, null] as const),
  ...["true", "True", "TRUE"].map((word) => [word, true] as const),
  ...["false", "False", "FALSE"].map((word) => [word, false] as const),
]);
const SMALL_NUMBER = /^(?:0|[1-9][0-9]{0,8})$/;
const OTHER_NUMBER =
  /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** Bounds below those of the whole reader, which says what is wrong. */
const MOST_VALUES = 500_000;
const DEEPEST = 20;

/**
 * The mapping that a text holds, if it is written as most configurations are: block mappings and lists, values in one line, without
 * anchors, tags and escapes. Undefined: with anything else, also with mistakes. What it reads, it reads as YamlDocument's tree
 * has it, in a thirtieth of the time; and a program that gets along with it needs no YAML library.
 */
export function readSimpleYaml(text: string): Record<string, unknown> | undefined {
  if (UNUSUAL_CHARACTER.test(text)) return undefined;
  try {
    return new SimpleYaml(text).read();
  } catch (error) {
    if (error === UNUSUAL) return undefined;
    throw error;
  }
}

class SimpleYaml {
  readonly #text: string;
  /** The line that is looked at: where what is left of it begins, how far to the right that is, and where it ends. */
  #at = 0;
  #indent = 0;
  #end = -1;
  #over = false;
  #values = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): Record<string, unknown> {
    this.#nextLine();
    if (this.#isOver() || this.#isItem()) throw UNUSUAL;
    const value = this.#map(this.#indent);
    if (!this.#isOver()) throw UNUSUAL;
    return value;
  }

  /** To the next line with more than a comment. */
  #nextLine(): void {
    const text = this.#text;
    for (;;) {
      const start = this.#end + 1;
      if (start >= text.length) {
        this.#over = true;
        return;
      }
      const end = text.indexOf("\n", start);
      this.#end = end === -1 ? text.length : end;
      this.#at = this.#skip(start);
      this.#indent = this.#at - start;
      if (this.#at < this.#end && text[this.#at] !== "#") return;
    }
  }

  // as a function, since what it reads changes while the caller goes on
  #isOver(): boolean {
    return this.#over;
  }

  #skip(from: number): number {
    let at = from;
    while (this.#text[at] === " ") at++;
    return at;
  }

  #isItem(): boolean {
    const after = this.#text[this.#at + 1];
    return this.#text[this.#at] === "-" && (after === " " || after === "\n" || after === undefined);
  }

  #block(): unknown {
    if (++this.#depth > DEEPEST) throw UNUSUAL;
    const value = this.#isItem() ? this.#list(this.#indent) : this.#map(this.#indent);
    this.#depth--;
    return value;
  }

  #map(indent: number): Record<string, unknown> {
    this.#count();
    const map: Record<string, unknown> = {};
    while (!this.#isOver() && this.#indent === indent) {
      const key = this.#key(map);
      this.#at = this.#skip(this.#at);
      if (this.#isLineOver()) {
        this.#nextLine();
        const isListBeneath = !this.#isOver() && this.#indent === indent && this.#isItem();
        map[key] = isListBeneath ? this.#list(indent) : this.#nested(indent);
      } else map[key] = this.#lastOfLine();
      this.#refuseDeeper(indent);
    }
    return map;
  }

  #list(indent: number): unknown[] {
    this.#count();
    const list: unknown[] = [];
    while (!this.#isOver() && this.#indent === indent && this.#isItem()) {
      const at = this.#skip(this.#at + 1);
      this.#indent += at - this.#at;
      this.#at = at;
      KEY.lastIndex = at;
      if (this.#isLineOver()) {
        this.#nextLine();
        list.push(this.#nested(indent));
      } else list.push(KEY.test(this.#text) ? this.#map(this.#indent) : this.#lastOfLine());
      this.#refuseDeeper(indent);
    }
    return list;
  }

  /** What stands in the lines below, further to the right than `indent`. */
  #nested(indent: number): unknown {
    if (!this.#isOver() && this.#indent > indent) return this.#block();
    this.#count();
    return null;
  }

  /** It would go on with what came before. */
  #refuseDeeper(indent: number): void {
    if (!this.#isOver() && this.#indent > indent) throw UNUSUAL;
  }

  #key(map: Record<string, unknown>): string {
    KEY.lastIndex = this.#at;
    const key = KEY.exec(this.#text)?.[1];
    if (key === undefined || key === "__proto__" || Object.hasOwn(map, key)) throw UNUSUAL;
    this.#at = KEY.lastIndex;
    return key;
  }

  /** Nothing but a comment is left. */
  #isLineOver(): boolean {
    return this.#at >= this.#end || (this.#text[this.#at] === "#" && this.#text[this.#at - 1] === " ");
  }

  #lastOfLine(): unknown {
    const first = this.#text[this.#at];
    let value: unknown;
    if (first === '"' || first === "'") value = this.#quoted(first);
    else if (first === "[" || first === "{") value = this.#flow();
    else {
      const text = this.#text.slice(this.#at, this.#end);
      const comment = text.indexOf(" #");
      value = this.#plain(comment === -1 ? text : text.slice(0, comment));
      this.#at = this.#end;
    }
    this.#at = this.#skip(this.#at);
    if (!this.#isLineOver()) throw UNUSUAL;
    this.#nextLine();
    return value;
  }

  #quoted(quote: '"' | "'"): string {
    this.#count();
    // within the line: a search beyond would go through all of the text, for each value
    const rest = this.#text.slice(this.#at + 1, this.#end);
    const length = rest.indexOf(quote);
    if (length === -1) throw UNUSUAL;
    const text = rest.slice(0, length);
    this.#at += length + 2;
    // '' within '…' is an apostrophe
    if (quote === "'" ? this.#text[this.#at] === "'" : text.includes("\\")) throw UNUSUAL;
    return text;
  }

  #plain(text: string): unknown {
    this.#count();
    let end = text.length;
    while (text[end - 1] === " ") end--;
    const plain = end === text.length ? text : text.slice(0, end);
    if (INDICATORS.has(plain[0] ?? "-") || plain.endsWith(":") || plain.includes(": ")) throw UNUSUAL;
    if (SMALL_NUMBER.test(plain)) return Number(plain);
    if (OTHER_NUMBER.test(plain)) throw UNUSUAL;
    const word = WORDS.get(plain);
    return word === undefined ? plain : word;
  }

  /** `[…]` or `{…}` in one line. */
  #flow(): unknown {
    if (++this.#depth > DEEPEST) throw UNUSUAL;
    this.#count();
    const value = this.#text[this.#at] === "[" ? this.#flowList() : this.#flowMap();
    this.#depth--;
    return value;
  }

  #flowList(): unknown[] {
    const list: unknown[] = [];
    while (this.#hasMore("]", list.length > 0)) list.push(this.#flowValue());
    return list;
  }

  #flowMap(): Record<string, unknown> {
    const map: Record<string, unknown> = {};
    for (let size = 0; this.#hasMore("}", size > 0); size++) {
      const key = this.#key(map);
      this.#at = this.#skip(this.#at);
      map[key] = this.#flowValue();
    }
    return map;
  }

  /** Past the opening bracket or a comma; false: past the closing bracket. */
  #hasMore(closing: "]" | "}", hasSome: boolean): boolean {
    const at = hasSome ? this.#skip(this.#at) : this.#at;
    const isEnd = hasSome && this.#text[at] === closing;
    if (hasSome && !isEnd && this.#text[at] !== ",") throw UNUSUAL;
    this.#at = isEnd ? at + 1 : this.#skip(at + 1);
    if (isEnd) return false;
    if (hasSome || this.#text[this.#at] !== closing) return true;
    this.#at++;
    return false;
  }

  #flowValue(): unknown {
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#quoted(first);
    if (first === "[" || first === "{") return this.#flow();
    FLOW_TEXT.lastIndex = this.#at;
    const [text] = FLOW_TEXT.exec(this.#text) ?? [];
    if (text === undefined || text.includes(" #")) throw UNUSUAL;
    this.#at += text.length;
    return this.#plain(text);
  }

  #count(): void {
    if (++this.#values > MOST_VALUES) throw UNUSUAL;
  }
}
