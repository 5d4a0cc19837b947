/** Work that whoever asks for it while it is under way, or waits for its turn, joins. */
export class Joined {
  #underWay: Promise<void> | undefined;

  isUnderWay(): boolean {
    return this.#underWay !== undefined;
  }

  /** Settles as `work` does, or as the one under way, which is done in its place. */
  run(work: () => Promise<void>): Promise<void> {
    this.#underWay ??= work().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }
}
