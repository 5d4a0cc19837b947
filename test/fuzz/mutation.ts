/** Inputs made from valid ones: what is nearly right gets further into a parser than noise does. */
import fc from "fast-check";

const ACTIONS = ["set", "put", "cut", "double", "end"] as const;

/** Where, as a part of the length; how many; what to put there. */
type Edit<Piece> = readonly [action: (typeof ACTIONS)[number], at: number, count: number, piece: Piece];

const PLACES = 2 ** 16;

function edits<Piece>(piece: fc.Arbitrary<Piece>, most: number): fc.Arbitrary<Edit<Piece>[]> {
  const edit = fc.tuple(fc.constantFrom(...ACTIONS), fc.nat(PLACES - 1), fc.nat(12), piece);
  return fc.array(edit, { maxLength: most });
}

/** One of `samples` with some bytes changed, put in, cut out, doubled, or the end cut off; or any bytes. */
export function mutatedBytes(samples: readonly Buffer[], most = 4): fc.Arbitrary<Buffer> {
  const byte = fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 4, 0x7f, 0x80, 0xff));
  const mutated = fc.tuple(fc.constantFrom(...samples), edits(byte, most)).map(([sample, all]) => {
    let data = sample;
    for (const [action, place, count, value] of all) {
      const at = Math.floor((place / PLACES) * (data.length + 1));
      const end = Math.min(data.length, at + count);
      if (action === "end") data = data.subarray(0, at);
      else {
        const middle = action === "double" ? Buffer.concat([data.subarray(at, end), data.subarray(at, end)]) : Buffer.of(value);
        const rest = action === "put" ? at : action === "set" ? at + 1 : end;
        data = Buffer.concat([data.subarray(0, at), action === "cut" ? Buffer.alloc(0) : middle, data.subarray(rest)]);
      }
    }
    return Buffer.from(data);
  });
  const noise = fc.uint8Array({ maxLength: 120 }).map((bytes) => Buffer.from(bytes));
  return fc.oneof({ weight: 7, arbitrary: mutated }, { weight: 1, arbitrary: noise });
}

/** One of `samples` with some of `pieces` put in or in place of something, parts cut out, doubled, or the end cut off; or any text. */
export function mutatedText(samples: readonly string[], pieces: readonly string[], most = 4): fc.Arbitrary<string> {
  const piece = fc.oneof(fc.constantFrom(...pieces), fc.string({ unit: "binary", maxLength: 2 }));
  const mutated = fc.tuple(fc.constantFrom(...samples), edits(piece, most)).map(([sample, all]) => {
    let text = sample;
    for (const [action, place, count, value] of all) {
      const at = Math.floor((place / PLACES) * (text.length + 1));
      const end = at + count;
      if (action === "end") text = text.slice(0, at);
      else if (action === "cut") text = text.slice(0, at) + text.slice(end);
      else if (action === "double") text = text.slice(0, end) + text.slice(at);
      else text = text.slice(0, at) + value + text.slice(action === "put" ? at : end);
    }
    return text;
  });
  const row = fc.array(piece, { maxLength: 12 }).map((all) => all.join(""));
  return fc.oneof({ weight: 6, arbitrary: mutated }, { weight: 1, arbitrary: row });
}
