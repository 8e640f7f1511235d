import { PortTaken } from '../http.ts';
import { isFree } from '../ports.ts';

/**
 * What is in the way of a start and how to get around it, in words; undefined when nothing is. Looked up before
 * anything is started, for both ports at once: nobody wants to be told of the second after having moved the first.
 */
export async function portsInTheWay(ports: {
  dashboard: number;
  stack: number;
}): Promise<string | undefined> {
  if (ports.dashboard === ports.stack) return `PORT and STACK_PORT are both ${ports.stack}.`;
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
    `Stop that, or start beside it: ${moved.join(' ')} npm run dev`,
  ].join('\n');
}

async function nextFree(port: number, notThese: number[]): Promise<number | string> {
  for (let next = port + 1; next <= Math.min(port + 100, 65_535); next++) {
    if (!notThese.includes(next) && (await isFree(next))) return next;
  }
  return 'N';
}
