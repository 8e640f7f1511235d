/**
 * Keeps answers for a while, so that many simultaneous requests cost one query. Failures are not kept.
 *
 * @param seconds how long an answer is kept
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
    // Wrong keys must not accumulate.
    answer.catch(() => {
      if (answers.get(key)?.answer === answer) answers.delete(key);
    });
    return answer;
  };
}
