/** An idle worker, alive until it is killed: says once it is reported. */
import { startHeartbeat } from '../../workers-heartbeat/heartbeat.mjs';

startHeartbeat({ type: 'victims' });
process.once('disconnect', () => process.exit());
process.send?.('started');
