import type { Document, Node, Pair, ParsedNode, YAMLMap } from "yaml";
import { Composer, isAlias, isCollection, isMap, isScalar, isSeq, Lexer, Parser } from "yaml";
import type { Problem } from "./config-error.ts";
import { ConfigError } from "./config-error.ts";
import { readSimpleYaml } from "./simple-yaml.ts";
import type { Source, Span } from "./source.ts";
import { isMapping, isMergeKey, keyText, rangeOf, toPlain } from "./yaml-plain.ts";

/** Keys and indexes that lead from the root of a document to a value. */
export type Path = readonly (string | number)[];

/**
 * Most levels of nesting. Node aborts when its stack runs out within a regular expression, so the text is refused
 * before it's composed; what this program reads is 6 levels deep.
 */
const DEEPEST = 200;

/** A YAML file as a plain value, with the way back from a value to its place in the text. */
export class YamlDocument {
  readonly source: Source;
  /** Plain objects, arrays and scalars of its own, to be changed freely; undefined for an empty file. */
  readonly value: unknown;
  /** What is wrong although the text could be read: a duplicate key, an unknown anchor, a tag. */
  readonly problems: readonly Problem[];
  /** Of a text that is simple, made when somebody asks for a place in it: to say what is wrong. */
  #tree: Tree | undefined;
  /** Of a text that is simple: what it says, whatever has become of `value`. */
  #written: Record<string, unknown> | undefined;

  /** `simple`: what readSimpleYaml() gave for it, to be changed from now on. @throws ConfigError when the text is not YAML, or not one document */
  constructor(source: Source, simple = readSimpleYaml(source.text)) {
    this.source = source;
    if (simple === undefined) this.#tree = readTree(source);
    this.value = simple ?? this.#tree?.value;
    this.problems = this.#tree?.problems ?? [];
  }

  get #read(): Tree {
    this.#tree ??= readTree(this.source);
    return this.#tree;
  }

  /** Where the value at `path` is; where there is none, what comes nearest on the way there. */
  valueSpan(path: Path): Span {
    let node = this.#read.root;
    let found: Span = { start: 0, end: 0 };
    let depth = 0;
    for (;;) {
      found = placeOf(node) ?? found;
      const target = this.#resolve(node);
      const step = path[depth++];
      if (step === undefined || target === null) return found;
      if (isSeq<Node>(target) && typeof step === "number") node = target.items[step] ?? null;
      else if (isMap<Node, Node | null>(target)) {
        const pair = this.#pair(target, String(step));
        // nothing was written for the value: the key is what can be shown
        const empty = pair?.value === null || (isScalar(pair?.value) && pair.value.value === null && pair.value.source === "");
        if (empty) return rangeOf(pair.key) ?? found;
        node = pair?.value ?? null;
      } else return found;
      if (node === null) return found;
    }
  }

  /** Where the last key of `path` is; where there is none, as valueSpan. */
  keySpan(path: Path): Span {
    const pair = this.#pairAt(path);
    return rangeOf(pair?.key ?? null) ?? this.valueSpan(path);
  }

  /** Whether something is written at `path`, be it right or wrong. */
  holds(path: Path): boolean {
    if (this.#tree === undefined) {
      this.#written ??= readSimpleYaml(this.source.text);
      return (path.reduce<unknown>(own, this.#written) ?? null) !== null;
    }
    const node = this.#nodeAt(path);
    return node !== null && !(isScalar(node) && node.value === null);
  }

  /** The keys of the mapping at `path` in the order of the file (which a plain object doesn't keep for keys such as "1"). */
  keys(path: Path): string[] {
    const node = this.#nodeAt(path);
    return isMap<Node>(node) ? node.items.map((pair) => keyText(pair.key)) : [];
  }

  #nodeAt(path: Path): Node | null {
    let node = this.#resolve(this.#read.root);
    for (const step of path) {
      let next: Node | null | undefined;
      if (isSeq<Node>(node) && typeof step === "number") next = node.items[step];
      else if (isMap<Node, Node | null>(node)) next = this.#pair(node, String(step))?.value;
      if (next === null || next === undefined) return null;
      node = this.#resolve(next);
    }
    return node;
  }

  #pairAt(path: Path): Pair<Node, Node | null> | undefined {
    const parent = this.#nodeAt(path.slice(0, -1));
    const key = path.at(-1);
    return key !== undefined && isMap<Node, Node | null>(parent) ? this.#pair(parent, String(key)) : undefined;
  }

  #resolve(node: Node | null): Node | null {
    return node !== null && isAlias(node) ? (this.#read.anchors.get(node) ?? null) : node;
  }

  #pair(map: YAMLMap<Node, Node | null>, key: string): Pair<Node, Node | null> | undefined {
    // of a key that is there twice, the last one gives the value
    const own = map.items.findLast((pair) => keyText(pair.key) === key);
    if (own !== undefined) return own;
    for (const pair of map.items) {
      if (!isMergeKey(pair.key)) continue;
      const merged = this.#resolve(pair.value);
      for (const each of isSeq<Node>(merged) ? merged.items : [merged]) {
        const node = this.#resolve(each);
        const found = isMap<Node, Node | null>(node) && node !== map ? this.#pair(node, key) : undefined;
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }
}

/** What is at `step` of a plain value; undefined where there is nothing. */
function own(value: unknown, step: string | number): unknown {
  if (Array.isArray(value)) return typeof step === "number" ? value[step] : undefined;
  return isMapping(value) && Object.hasOwn(value, step) ? value[step] : undefined;
}

/** What the library makes of a text. */
interface Tree {
  readonly value: unknown;
  readonly problems: readonly Problem[];
  readonly root: Node | null;
  readonly anchors: ReadonlyMap<Node, Node>;
}

/** @throws as YamlDocument */
function readTree(source: Source): Tree {
  const { contents: root, warnings } = compose(source);
  const { value, anchors, problems } = toPlain(root, source);
  const tags = warnings.map((each) => source.problem(span(each.pos), unsupported(each.message)));
  return { value: root === null ? undefined : value, problems: [...tags, ...problems], root, anchors };
}

/** Of a mapping or a list, its first character: marking all of it would mark what is right as well. */
function placeOf(node: Node | null): Span | undefined {
  const range = rangeOf(node);
  return range !== undefined && isCollection(node) ? { start: range.start, end: range.start + 1 } : range;
}

function compose(source: Source): Document.Parsed {
  const parser = new Parser();
  const tokens = [];
  for (const lexeme of new Lexer().lex(source.text)) {
    for (const token of parser.next(lexeme)) tokens.push(token);
    if (parser.stack.length > DEEPEST) {
      const place = { start: parser.offset - lexeme.length, end: parser.offset };
      throw new ConfigError([source.problem(place, `nested more than ${DEEPEST} levels deep`)]);
    }
  }
  for (const token of parser.end()) tokens.push(token);
  // a fixed schema, whatever a %YAML line asks for: 1.1 would read "yes" as true; duplicate keys are found in toPlain
  const options = { schema: "core", resolveKnownTags: false, uniqueKeys: false, prettyErrors: false } as const;
  const composer = new Composer<ParsedNode>(options);
  const [document, second] = [...composer.compose(tokens, true, source.text.length)];
  if (document === undefined) throw new ConfigError([source.problem({ start: 0, end: 0 }, "not readable as YAML")]);
  const problems = syntaxProblems(source, document);
  if (problems.length > 0) throw new ConfigError(problems);
  if (second !== undefined) {
    const start = rangeOf(second.contents)?.start ?? second.range[0];
    throw new ConfigError([source.problem({ start, end: start }, "a second YAML document begins here; a file holds one")]);
  }
  return document;
}

/** One for each line: what follows on the same line is mostly a consequence of the first. */
function syntaxProblems(source: Source, document: Document.Parsed): Problem[] {
  const byLine = new Map<number, Problem>();
  for (const error of document.errors) {
    const place = span(error.pos);
    const line = source.lineAt(place.start);
    if (!byLine.has(line)) byLine.set(line, source.problem(place, explain(error.code, error.message, source.line(line))));
  }
  return [...byLine.values()];
}

function explain(code: string, message: string, line: string): string {
  const address = /\[[0-9a-f.:]*:[0-9a-f.:]*\]:[0-9]+/i.exec(line)?.[0];
  const quoted = address !== undefined && new RegExp(`["']${escape(address)}["']`).test(line);
  if (address !== undefined && !quoted) return `not valid YAML: an IPv6 address needs quotes here: "${address}"`;
  if (code === "BLOCK_AS_IMPLICIT_KEY") {
    return 'not valid YAML: a second ": " in one line; put quotes around the text, or leave out the space (as in static:cmd)';
  }
  return `not valid YAML: ${message.charAt(0).toLowerCase()}${message.slice(1)}`;
}

function escape(text: string): string {
  return text.replace(/[[\].]/g, "\\$&");
}

function unsupported(message: string): string {
  return message.startsWith("Unresolved tag") ? "YAML tags (!name) are not supported; leave it out" : message;
}

function span([start, end]: readonly [number, number]): Span {
  return { start, end };
}
