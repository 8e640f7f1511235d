/** A throw-away stack in a process of its own, as a person has it: whoever puts load on it does not share its event loop. */
import { startStack } from '../../../supabase/local/stack.ts';

const stack = await startStack({ port: 0, fresh: true });
const { url, publishableKey, secretKey, databaseUrl, owner } = stack;
process.send?.({ url, publishableKey, secretKey, databaseUrl, owner });

const end = () => void stack.stop().finally(() => process.exit());
process.once('SIGTERM', end);
process.once('disconnect', end);
