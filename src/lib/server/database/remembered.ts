/**
 * Answers that are good for a while, so that many who ask at once cost one question. What failed is not remembered.
 *
 * @param seconds for which an answer is good
 */
export function remembered<K, T>(seconds: number, ask: (key: K) => Promise<T>): (key: K) => Promise<T> {
  const answers = new Map<K, { until: number; answer: Promise<T> }>();
  return (key) => {
    const now = performance.now();
    for (const [old, { until }] of answers) if (until <= now) answers.delete(old);
    const known = answers.get(key);
    if (known) return known.answer;
    const answer = ask(key);
    answers.set(key, { until: now + seconds * 1000, answer });
    // Keys that are wrong must not pile up.
    answer.catch(() => {
      if (answers.get(key)?.answer === answer) answers.delete(key);
    });
    return answer;
  };
}
