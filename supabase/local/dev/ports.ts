import { PortTaken } from '../http.ts';
import { isFree } from '../ports.ts';

/**
 * An error message if a port is taken, else undefined. Checks both ports before anything starts, so that one message names
 * both.
 */
export async function portsInTheWay(ports: {
  dashboard: number;
  stack: number;
}): Promise<string | undefined> {
  if (ports.dashboard === ports.stack)
    return `PORT and STACK_PORT are both ${ports.stack}. Set different ports.`;
  const wanted = [
    { variable: 'PORT', port: ports.dashboard },
    { variable: 'STACK_PORT', port: ports.stack },
  ];
  const free = await Promise.all(wanted.map(({ port }) => isFree(port)));
  const taken = wanted.filter((_, index) => !free[index]);
  if (taken.length === 0) return undefined;
  const moved = await Promise.all(
    taken.map(async ({ variable, port }) => `${variable}=${await nextFree(port, Object.values(ports))}`),
  );
  return [
    ...taken.map(({ port }) => new PortTaken(port).message),
    `Stop that process, or use other ports: ${moved.join(' ')} npm run dev`,
  ].join('\n');
}

async function nextFree(port: number, notThese: number[]): Promise<number | string> {
  for (let next = port + 1; next <= Math.min(port + 100, 65_535); next++) {
    if (!notThese.includes(next) && (await isFree(next))) return next;
  }
  return 'N';
}
