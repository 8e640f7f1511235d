/**
 * Serves the dashboard in a process of its own, for `startDashboard`: the environment of a dashboard is read when it
 * starts, so each stack needs one. Tells its address, and ends with the process that started it.
 */
import { createServer, preview } from 'vite';

process.once('disconnect', () => process.exit());

// Vite's own guard against foreign names is off, so that a test meets ours.
const address = { host: '127.0.0.1', port: 0, strictPort: false };
const server =
  process.argv[2] === 'development'
    ? await (
        await createServer({ server: { ...address, hmr: false, allowedHosts: true }, logLevel: 'error' })
      ).listen()
    : await preview({ preview: address, logLevel: 'error' });

const bound = server.httpServer?.address();
if (bound && typeof bound === 'object') process.send?.(`http://127.0.0.1:${bound.port}`);
