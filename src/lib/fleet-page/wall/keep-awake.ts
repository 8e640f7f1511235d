/** Keeps the screen on while the page is looked at, where the browser lets it; until the returned function is called. */
export function keepAwake(): () => void {
  let lock: WakeLockSentinel | null = null;
  let over = false;
  const take = async () => {
    // The browser takes it back whenever the page is hidden.
    if (document.hidden || over) return;
    try {
      lock = await navigator.wakeLock.request('screen');
      if (over) void lock.release();
    } catch {
      // Not there, or not allowed, as on a battery that is low: the screen does as it is set to.
    }
  };
  void take();
  document.addEventListener('visibilitychange', take);
  return () => {
    over = true;
    document.removeEventListener('visibilitychange', take);
    void lock?.release();
  };
}
