// The code of Lastseen's heartbeat-leases module, made from heartbeat-leases.ts by `npm run heartbeat`.

const clock = () => performance.now();
const isNumber = (value) => typeof value === 'number' && value >= 0;

/** Adds job leases to a worker. */
export function jobLeases(heartbeat) {
  const before = heartbeat.parts.find(({ name }) => name === 'leases')?.handle;
  if (before) return before;
  /** What it holds, by key; the token is 0 while the claim is on its way. Beats name them from the first claim on. */
  const leases = new Map();
  let used = false;
  /** Until when no other process can hold them, by `clock()`. */
  let leasedUntil = 0;
  let sequence = 0;
  let guard;

  heartbeat.extend({
    name: 'leases',
    handle: lease,
    fields(beat) {
      sequence = beat.sequence;
      return used ? { leases: [...leases.values()].map(({ token }) => token) } : undefined;
    },
    answered({ lease_ms, leases_lost }, sentAt) {
      if (!isNumber(lease_ms)) return;
      // Four fifths of it, and from before the beat was sent: over here well before it is over there.
      leasedUntil = sentAt + lease_ms * 0.8;
      clearTimeout(guard);
      const loseAll = () => leases.forEach(({ lose }) => lose());
      guard = setTimeout(loseAll, Math.min(leasedUntil - clock(), 1e9)).unref();
      for (const { token, lose } of leases.values()) if ([leases_lost].flat().includes(token)) lose();
    },
  });

  const call = (name, key, values) =>
    heartbeat.request(name, { worker_name: heartbeat.name, instance_id: heartbeat.instance, key, ...values });

  /** Claims a lease, or says why not. */
  async function claim(key, mine) {
    if (heartbeat.signal.aborted) return 'the worker is stopping';
    try {
      // The database lends only to workers that have reported lately.
      if (clock() > leasedUntil) await heartbeat.flush();
      if (clock() < leasedUntil) {
        const { token, holder } = await call('hp_claim_lease', key, { sequence });
        if (holder) return `held by ${String(holder)}`;
        if (isNumber(token)) mine.token = token;
        if (mine.token && clock() < leasedUntil) return undefined;
      }
      return 'no beat gets through';
    } catch (error) {
      return String(error?.message ?? error);
    }
  }

  async function lease(key, work) {
    await Promise.all(heartbeat.parts.map((part) => part.hold?.()));
    if (leases.has(key)) return { held: false, reason: `held by ${heartbeat.name}` };
    const lost = new AbortController();
    const mine = { token: 0, lose: () => lost.abort() };
    used = true;
    leases.set(key, mine);
    try {
      const reason = await claim(key, mine);
      if (reason) return { held: false, reason };
      heartbeat.signal.addEventListener('abort', mine.lose);
      if (heartbeat.signal.aborted) mine.lose();
      return { held: true, result: await heartbeat.perform(() => work(mine.token, lost.signal)) };
    } finally {
      heartbeat.signal.removeEventListener('abort', mine.lose);
      leases.delete(key);
      // Should this get lost, the next beat does it: it does not name the lease any more.
      if (mine.token) call('hp_release_lease', key, { token: mine.token }).catch(() => {});
    }
  }
  return lease;
}
