/**
 * A stack in a process of its own, as a person has it: whoever puts load on it does not share its event loop. Throw-away,
 * or with DATA_DIR as one whose data is kept: commits then reach the disk, and vacuum has its defaults.
 */
import { startStack } from '../../supabase/local/stack.ts';

const { DATA_DIR, TICK_EVERY } = process.env;
const stack = await startStack({
  port: 0,
  ...(DATA_DIR ? { dataDir: DATA_DIR } : { fresh: true }),
  ...(TICK_EVERY && { tickEvery: Number(TICK_EVERY) }),
});
const { url, publishableKey, secretKey, databaseUrl, owner } = stack;
process.send?.({ url, publishableKey, secretKey, databaseUrl, owner });

const end = () => void stack.stop().finally(() => process.exit());
process.once('SIGTERM', end);
process.once('disconnect', end);
