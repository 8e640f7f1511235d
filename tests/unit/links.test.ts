import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';

it('links of the documentation lead to files of the repository', () => {
  const documents = globSync(['*.md', '{docs,src,supabase,tests,workers-heartbeat}/**/*.md']);
  expect(documents.length).toBeGreaterThan(20);
  const broken = documents.flatMap((document) =>
    [...readFileSync(document, 'utf8').matchAll(/\]\(([^)#\s]+)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^\w+:/.test(target) && !existsSync(join(dirname(document), target)))
      .map((target) => `${document}: ${target}`),
  );
  expect(broken).toEqual([]);
});
