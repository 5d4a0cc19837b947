/** Messages that ask the kernel what is in nftables, or change elements of sets (linux/netfilter/nf_tables.h). */
import {
  attributeBytes,
  eachAttribute,
  GENERIC_HEADER_BYTES,
  type Message,
  MessageWriter,
  NESTED,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_REQUEST,
} from "./message.ts";
import type { ElementContent, ElementCounter, ElementEdit, ElementState, RulesetFamily, RulesetPart } from "./netlink.ts";

const SUBSYSTEM_NFTABLES = 10;
const type = (number: number): number => (SUBSYSTEM_NFTABLES << 8) | number;

const GET_CHAIN = type(4);
const GET_RULE = type(7);
const GET_SET = type(10);
const GET_ELEMENT = type(13);
const DELETE_ELEMENT = type(14);
const GET_GENERATION = type(16);
const GET_OBJECT = type(19);
const GET_FLOWTABLE = type(23);
export const TYPE_CHAIN = type(3);
const TYPE_RULE = type(6);
const TYPE_SET = type(9);
export const TYPE_ELEMENTS = type(12);
export const TYPE_GENERATION = type(15);
const TYPE_OBJECT = type(18);
export const TYPE_FLOWTABLE = type(22);
export const PART_QUESTIONS = [GET_CHAIN, GET_RULE, GET_SET, GET_OBJECT, GET_FLOWTABLE];

/** What is between them takes effect as a whole (linux/netfilter/nfnetlink.h). */
const BATCH_BEGIN = 16;
const BATCH_END = 17;
/** Of one element's message, with names of 255 bytes at most. */
const EDIT_BYTES = 1024;

const FAMILIES: Readonly<Record<RulesetFamily, number>> = { inet: 1, ip: 2, ip6: 10 };

/** Of any question and answer. */
const TABLE = 1;
/** Of chains, sets, objects and the set of a question for elements. */
const NAME = 2;
const CHAIN_NAME = 3;
const CHAIN_IDENTITY = new Set([4, 5, 7, 10]); // hook and priority, policy, type, flags
const RULE_CHAIN = 2;
const RULE_IDENTITY = new Set([4, 7]); // expressions, user data
const SET_FLAGS = 3;
const SET_IDENTITY = new Set([3, 5, 6, 7, 9, 11]); // flags, length of key, type and length of data, size, timeout
const SET_ANONYMOUS = 1;
const OBJECT_IDENTITY = new Set([3, 4]); // type, data
const FLOWTABLE_IDENTITY = new Set([3]); // hook, with the names of its devices
const ELEMENTS = 3;
const ELEMENT_KEY = 1;
const ELEMENT_DATA = 2;
const ELEMENT_EXPIRATION = 5;
const ELEMENT_EXPRESSION = 7;
const ELEMENT_KEY_END = 10;
const DATA_VALUE = 1;
const DATA_VERDICT = 2;
const VERDICT_CODE = 1;
const VERDICT_CHAIN = 2;
const EXPRESSION_NAME = 1;
const EXPRESSION_DATA = 2;
const COUNTER_BYTES = 1;
const COUNTER_PACKETS = 2;
const LIST_ELEMENT = 1;

export function generationQuestion(sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(32));
  writer.begin(GET_GENERATION, NLM_F_REQUEST, sequence);
  writer.fixed([0, 0, 0, 0]);
  return writer.written;
}

/** Asks for all of one type that `table` has; some kernels answer with those of all tables. */
export function dumpQuestion(question: number, family: RulesetFamily, table: string, sequence: number): Buffer {
  return dump(question, family, [table], sequence);
}

export function elementsQuestion(table: string, set: string, sequence: number): Buffer {
  return dump(GET_ELEMENT, "inet", [table, set], sequence);
}

/** Asks for one element of a set of an inet table. */
export function elementQuestion(table: string, set: string, key: Buffer, sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(1024));
  writer.begin(GET_ELEMENT, NLM_F_REQUEST, sequence);
  writeElement(writer, table, set, key);
  return writer.written;
}

function writeElement(writer: MessageWriter, table: string, set: string, key: Buffer): void {
  writer.fixed([FAMILIES.inet, 0, 0, 0]);
  for (const [at, name] of [table, set].entries()) writer.attribute(at + 1, [...Buffer.from(`${name}\0`)]);
  const value = attributeBytes(DATA_VALUE, [...key]);
  const element = attributeBytes(ELEMENT_KEY | NESTED, value);
  writer.attribute(ELEMENTS | NESTED, attributeBytes(LIST_ELEMENT | NESTED, element));
}

/** One transaction, of which each edit is answered, with `sequence` and those that follow; its frame is not, unless it fails. */
export function editBatch(table: string, edits: readonly ElementEdit[], sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc((edits.length + 1) * EDIT_BYTES));
  const frame = (message: number): void => {
    writer.begin(message, NLM_F_REQUEST, sequence);
    writer.fixed([0, 0, 0, SUBSYSTEM_NFTABLES]);
  };
  frame(BATCH_BEGIN);
  for (const [at, { add, set, key }] of edits.entries()) {
    const flags = NLM_F_REQUEST | NLM_F_ACK | (add ? NLM_F_CREATE : 0);
    writer.begin(add ? TYPE_ELEMENTS : DELETE_ELEMENT, flags, (sequence + at) >>> 0);
    writeElement(writer, table, set, key);
  }
  frame(BATCH_END);
  return writer.written;
}

/** `names`: values of the attributes 1, 2, … */
function dump(question: number, family: RulesetFamily, names: readonly string[], sequence: number): Buffer {
  const writer = new MessageWriter(Buffer.alloc(1024));
  writer.begin(question, NLM_F_REQUEST | NLM_F_DUMP, sequence);
  writer.fixed([FAMILIES[family], 0, 0, 0]);
  for (const [at, name] of names.entries()) writer.attribute(at + 1, [...Buffer.from(`${name}\0`)]);
  return writer.written;
}

/** The number of the generation; undefined when the message is cut short. */
export function readGeneration(data: Buffer, { start, end }: Message): number | undefined {
  let generation: number | undefined;
  eachAttribute(data, start + GENERIC_HEADER_BYTES, end, (attribute, from, to) => {
    if (attribute === 1 && to - from >= 4) generation = data.readUInt32BE(from);
  });
  return generation;
}

/** What a message says of a chain, rule, set, object or flowtable of `table`; undefined: it is of another table, or not to be compared. */
export function readPart(data: Buffer, message: Message, family: RulesetFamily, table: string): RulesetPart | undefined {
  const reading = READINGS[message.type];
  // tables of other families may have the same name
  if (reading === undefined || data[message.start] !== FAMILIES[family]) return undefined;
  let owner: string | undefined;
  let name = "";
  let flags = 0;
  let identity = "";
  eachAttribute(data, message.start + GENERIC_HEADER_BYTES, message.end, (attribute, from, to) => {
    if (attribute === TABLE) owner = text(data, from, to);
    if (attribute === reading.name) name = text(data, from, to);
    if (attribute === SET_FLAGS && to - from >= 4) flags = data.readUInt32BE(from);
    if (reading.identity.has(attribute)) identity += `${String(attribute)} ${data.toString("latin1", from, to)}\n`;
  });
  const anonymous = reading.kind === "set" && (flags & SET_ANONYMOUS) !== 0;
  return owner !== table || anonymous ? undefined : { kind: reading.kind, name, identity };
}

const READINGS: Readonly<
  Record<number, { readonly kind: RulesetPart["kind"]; readonly name: number; readonly identity: ReadonlySet<number> }>
> = {
  [TYPE_CHAIN]: { kind: "chain", name: CHAIN_NAME, identity: CHAIN_IDENTITY },
  [TYPE_RULE]: { kind: "rule", name: RULE_CHAIN, identity: RULE_IDENTITY },
  [TYPE_SET]: { kind: "set", name: NAME, identity: SET_IDENTITY },
  [TYPE_OBJECT]: { kind: "object", name: NAME, identity: OBJECT_IDENTITY },
  [TYPE_FLOWTABLE]: { kind: "flowtable", name: NAME, identity: FLOWTABLE_IDENTITY },
};

/** Calls `visit` for each element in a message. Buffers are views of `data`. */
export function eachElement(data: Buffer, message: Message, visit: (element: ElementContent) => void): void {
  eachAttribute(data, message.start + GENERIC_HEADER_BYTES, message.end, (attribute, start, end) => {
    if (attribute !== ELEMENTS) return;
    eachAttribute(data, start, end, (_each, from, to) => {
      visit(readElement(data, from, to));
    });
  });
}

function readElement(data: Buffer, start: number, end: number): ElementContent {
  let key: Buffer | undefined;
  let keyEnd: Buffer | undefined;
  let value: Buffer | undefined;
  let verdict: { code: number; chain: string } | undefined;
  let counter: ElementCounter | undefined;
  eachAttribute(data, start, end, (attribute, from, to) => {
    if (attribute === ELEMENT_EXPRESSION) counter = readCounter(data, from, to);
    if (attribute !== ELEMENT_KEY && attribute !== ELEMENT_DATA && attribute !== ELEMENT_KEY_END) return;
    eachAttribute(data, from, to, (inner, first, last) => {
      if (inner === DATA_VERDICT) verdict = readVerdict(data, first, last);
      if (inner !== DATA_VALUE) return;
      const bytes = data.subarray(first, last);
      if (attribute === ELEMENT_KEY) key = bytes;
      else if (attribute === ELEMENT_DATA) value = bytes;
      else keyEnd = bytes;
    });
  });
  return { key, keyEnd, value, verdict, counter };
}

/** What a message says of the state of its element; undefined when it has none. */
export function readElementState(data: Buffer, message: Message): ElementState | undefined {
  let state: ElementState | undefined;
  eachAttribute(data, message.start + GENERIC_HEADER_BYTES, message.end, (attribute, start, end) => {
    if (attribute !== ELEMENTS) return;
    eachAttribute(data, start, end, (_each, from, to) => {
      state = readState(data, from, to);
    });
  });
  return state;
}

function readState(data: Buffer, start: number, end: number): ElementState {
  let expiresMs: number | undefined;
  let counter: ElementCounter | undefined;
  eachAttribute(data, start, end, (attribute, from, to) => {
    if (attribute === ELEMENT_EXPIRATION && to - from >= 8) expiresMs = Number(data.readBigUInt64BE(from));
    if (attribute === ELEMENT_EXPRESSION) counter = readCounter(data, from, to);
  });
  return { expiresMs, packets: counter?.packets, bytes: counter?.bytes };
}

/** Undefined: it is another expression. Numbers are exact up to 2^53. */
function readCounter(data: Buffer, start: number, end: number): ElementCounter | undefined {
  let name = "";
  let packets: number | undefined;
  let bytes = 0;
  eachAttribute(data, start, end, (attribute, from, to) => {
    if (attribute === EXPRESSION_NAME) name = text(data, from, to);
    if (attribute !== EXPRESSION_DATA) return;
    eachAttribute(data, from, to, (inner, first, last) => {
      if (last - first < 8) return;
      if (inner === COUNTER_PACKETS) packets = Number(data.readBigUInt64BE(first));
      if (inner === COUNTER_BYTES) bytes = Number(data.readBigUInt64BE(first));
    });
  });
  return name === "counter" && packets !== undefined ? { packets, bytes } : undefined;
}

function readVerdict(data: Buffer, start: number, end: number): { code: number; chain: string } {
  let code = 0;
  let chain = "";
  eachAttribute(data, start, end, (attribute, from, to) => {
    if (attribute === VERDICT_CODE && to - from >= 4) code = data.readInt32BE(from);
    if (attribute === VERDICT_CHAIN) chain = text(data, from, to);
  });
  return { code, chain };
}

/** Names end with a zero byte. */
function text(data: Buffer, start: number, end: number): string {
  return data.toString("latin1", start, end).replace(/\0.*$/s, "");
}
