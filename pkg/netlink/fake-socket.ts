import type { NetlinkSocket } from "./socket.ts";

export type Answer = (sequence: number) => Buffer[];

/** For tests, the kernel's end: answers each question with the next of `answers`. */
export class FakeSocket implements NetlinkSocket {
  readonly questions: Buffer[] = [];
  readonly #answers: Answer[];
  #incoming: Buffer[] = [];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  send(messages: Buffer): void {
    this.questions.push(Buffer.from(messages));
    this.#incoming.push(...(this.#answers.shift()?.(messages.readUInt32LE(8)) ?? []));
  }

  receive(into: Buffer): number | undefined {
    const next = this.#incoming.shift();
    next?.copy(into);
    return next?.length;
  }

  lost(): number {
    return 0;
  }

  waiting(): number {
    return this.#incoming.reduce((sum, each) => sum + each.length, 0);
  }

  watch(): void {
    // nobody waits
  }

  close(): void {
    this.#incoming = [];
  }
}
