import type { Fault } from "../fault/fault.ts";

/** What is waited for until it has come, or is known never to come. */
export class FakeCommit {
  open: () => void = () => undefined;
  shut: (reason: Fault) => void = () => undefined;
  readonly opened = new Promise<void>((resolve, reject) => {
    this.open = resolve;
    this.shut = reject;
  });

  constructor() {
    // nobody may wait for it
    this.opened.catch(() => undefined);
  }
}
