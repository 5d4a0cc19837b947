/** What came of a question. */
export type Answer<T> = { readonly value: T } | { readonly error: unknown };

export async function answerOf<T>(step: () => Promise<T>): Promise<Answer<T>> {
  try {
    return { value: await step() };
  } catch (error) {
    return { error };
  }
}

/** @throws what came instead */
export function valueOf<T>(answer: Answer<T>): T {
  if ("value" in answer) return answer.value;
  throw answer.error;
}
