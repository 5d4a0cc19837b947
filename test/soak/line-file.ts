import { open } from "node:fs/promises";

/** A file of lines of JSON that somebody else writes on. */
export class LineFile<Line> {
  readonly #path: string;
  #position = 0;
  #rest = "";

  constructor(path: string) {
    this.#path = path;
  }

  async news(): Promise<Line[]> {
    const file = await open(this.#path).catch(() => undefined);
    if (file === undefined) return [];
    try {
      const { size } = await file.stat();
      const { buffer, bytesRead } = await file.read(
        Buffer.alloc(size - this.#position),
        0,
        size - this.#position,
        this.#position,
      );
      this.#position += bytesRead;
      const lines = `${this.#rest}${buffer.toString("utf8", 0, bytesRead)}`.split("\n");
      this.#rest = lines.pop() ?? "";
      return lines.map((line) => JSON.parse(line) as Line);
    } finally {
      await file.close();
    }
  }
}
