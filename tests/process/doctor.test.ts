import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { inspectClock } from '../../supabase/doctor/clock.ts';
import { examine, type Patient } from '../../supabase/doctor/examine.ts';
import type { Finding } from '../../supabase/doctor/finding.ts';
import { startProcess } from '../support/processes.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const main = join(import.meta.dirname, '../../supabase/doctor/main.ts');
let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ tickEvery: 500 });
  await stack.database.sql`update hp_setting set value = '1' where key in ('digest_every_s', 'tick_every_s')`;
});
afterAll(() => stack?.stop());

const secretName = 'SUPABASE_SECRET_KEY';
const publishableName = 'PUBLIC_SUPABASE_PUBLISHABLE_KEY';
const whole = (): Patient => ({
  url: stack.url,
  keys: [
    { name: secretName, value: stack.secretKey },
    { name: publishableName, value: stack.publishableKey },
  ],
  patienceMs: 20_000,
});

/** The findings, as `level about: says`. Only tests about Realtime check it. */
async function lines(patient: Partial<Patient> = {}): Promise<string[]> {
  return (await look(patient)).map(({ level, about, says }) => `${level} ${about}: ${says}`);
}
async function look(patient: Partial<Patient> = {}): Promise<Finding[]> {
  const found: Finding[] = [];
  for await (const finding of examine({ ...whole(), ...patient })) {
    found.push(finding);
    if (finding.about === 'a worker’s token' && patient.patienceMs === undefined) break;
  }
  return found;
}
const troubles = async (patient?: Partial<Patient>) =>
  (await lines(patient)).filter((line) => line.startsWith('trouble'));

/** Breaks something, runs the checks, and fixes it. */
async function whileBroken(breaks: string, fixes: string, work: () => Promise<void>) {
  await stack.database.sql.unsafe(breaks);
  try {
    await work();
  } finally {
    await stack.database.sql.unsafe(fixes);
  }
}

/** The statement that protects our topics, as the migrations have it. */
const protection = /create policy "ours alone on topics of Lastseen"[^;]+;/.exec(
  readFileSync(join(import.meta.dirname, '../../supabase/migrations/20261122000700_message.sql'), 'utf8'),
)![0];

describe('npm run doctor', () => {
  it('finds no trouble in a healthy project, exits with 0, and prints no key', async () => {
    const { email, password } = inject('cluster').people.carol;
    const doctor = startProcess(main, {
      env: {
        SUPABASE_URL: stack.url,
        [secretName]: stack.secretKey,
        [publishableName]: stack.publishableKey,
        LASTSEEN_EMAIL: email,
        LASTSEEN_PASSWORD: password,
      },
    });
    const { code } = await doctor.exited;
    const output = doctor.output();
    expect(output).toContain('No trouble found.');
    expect(code).toBe(0);
    for (const line of [
      '✓ the project:',
      '✓ the clock:',
      '✓ the migrations: all',
      '✓ the grants:',
      '✓ the tick: ran',
      '✓ a stranger: can’t join',
      '✓ Realtime: the first message arrived',
      `✓ a member: ${email} can read the fleet and receive its messages`,
    ])
      expect(output).toContain(line);
    for (const secret of [stack.secretKey, stack.publishableKey, password])
      expect(output).not.toContain(secret);
  });

  it('exits with 1 and names the fix if there is trouble, as JSON with --json', () => {
    const args = ['--url', 'http://example.com', '--key', 'sb_publishable_0123456789', '--json'];
    const { status, stdout } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8', env: {} });
    expect(status).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: false,
      findings: [{ level: 'trouble', about: 'the address' }, {}],
    });
    const wrong = spawnSync(process.execPath, [main, '--ulr', 'x'], { encoding: 'utf8', env: {} });
    expect([wrong.status, wrong.stderr]).toEqual([2, expect.stringContaining('--url')]);
  });

  it.each([
    ['no address', { url: undefined }, /the address: not set/],
    ['an address without https', { url: 'http://db.example.com' }, /has no https/],
    ['an address with a path', { url: 'https://x.supabase.co/rest/v1' }, /has a path/],
    [
      'a project that does not answer',
      { url: 'http://127.0.0.1:9' },
      /the project: no answer from http:\/\/127.0.0.1:9/,
    ],
  ])('reports %s', async (_, patient, says) => {
    expect(await troubles(patient)).toEqual([expect.stringMatching(says)]);
  });

  const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.x`;
  it.each([
    [publishableName, 'sb_secret_0123456789', /sends this variable to every browser/],
    [publishableName, jwt({ role: 'service_role' }), /sends this variable to every browser/],
    [secretName, 'sb_publishable_0123456789', /too few rights/],
    [
      secretName,
      jwt({ role: 'anon', ref: 'a'.repeat(20) }),
      /belongs to the project a{20}, but the address to b{20}/,
    ],
    [secretName, '"sb_secret_x"', /a quote or a space/],
    [publishableName, 'sb_publishable_…', /is incomplete, or the placeholder from the guide/],
    [secretName, 'sbp_x', /an access token of a Supabase account/],
    [secretName, 'password', /not a Supabase API key/],
  ])('reports that %s must not be %s', async (name, value, says) => {
    const [first] = await look({
      url: `https://${'b'.repeat(20)}.supabase.co`,
      keys: [{ name, value }],
      patienceMs: undefined,
    }).then((found) => found.filter(({ level }) => level === 'trouble'));
    expect(`${first?.about} ${first?.says}`).toMatch(says);
    expect(first?.says).not.toContain(value);
  });

  it('reports a key that the project rejects', async () => {
    expect(await troubles({ keys: [{ name: secretName, value: 'sb_secret_of_another' }] })).toEqual([
      expect.stringMatching(/the key: the project rejects it: .+/),
    ]);
  });

  it('names the checks that it skips without a secret key', async () => {
    const found = await lines({ keys: [{ name: publishableName, value: stack.publishableKey }] });
    expect(found).toContainEqual(expect.stringMatching(/^fine the migrations: hp_fleet\(\) exists/));
    expect(found).toContainEqual(expect.stringMatching(/^skipped the rest of the database/));
  });

  it('reports migrations that are missing, all of them or some', async () => {
    const { sql } = stack.database;
    const [{ text }] = (await sql`select pg_get_functiondef('public.hp_stop_worker'::regproc) as text`) as [
      { text: string },
    ];
    await whileBroken(
      'drop function public.hp_stop_worker',
      `${text}; revoke all on function hp_stop_worker from public, anon; grant execute on function hp_stop_worker to authenticated, service_role`,
      async () => {
        expect(await troubles()).toEqual([
          'trouble the migrations: public.hp_stop_worker missing, from 20261122001400_action.sql',
        ]);
      },
    );
    await whileBroken(
      'alter function public.hp_diagnosis rename to hidden; alter function public.hp_fleet rename to hidden_fleet',
      'alter function public.hidden rename to hp_diagnosis; alter function public.hidden_fleet rename to hp_fleet',
      async () => {
        // This stack’s Data API caches the functions, so the database reports the missing one.
        expect((await troubles()).join()).toMatch(/the functions of Lastseen are missing|does not exist/);
      },
    );
    expect(await troubles()).toEqual([]);
  });

  it.each([
    [
      'revoke execute on function hp_fleet from authenticated',
      'grant execute on function hp_fleet to authenticated',
      /hp_fleet \(authenticated execute\) not granted/,
    ],
    [
      'revoke select on hp_setting from service_role',
      'grant select on hp_setting to service_role',
      /hp_setting \(service_role select\) not granted/,
    ],
    [
      'revoke execute on function hp_diagnosis from service_role',
      'grant execute on function hp_diagnosis to service_role',
      /the secret key is rejected: permission denied/,
    ],
    [
      'grant select on hp_member to anon',
      'revoke select on hp_member from anon',
      /too many rights: public.hp_member \(anon select\)/,
    ],
    [
      'alter table hp_setting disable row level security',
      'alter table hp_setting enable row level security',
      /hp_setting \(no row level security\)/,
    ],
  ])('reports wrong grants after: %s', async (breaks, fixes, says) => {
    await whileBroken(breaks, fixes, async () => {
      expect(await troubles()).toEqual([expect.stringMatching(says)]);
    });
  });

  it.each([
    [
      'create policy "all read" on hp_worker_status for all using (true)',
      'drop policy "all read" on hp_worker_status',
      /^warning the policies: not of Lastseen, on its tables: public.hp_worker_status: all read/,
    ],
    [
      'create role visitor; grant select on hp_worker_log to visitor; grant select (value) on hp_setting to visitor',
      'drop owned by visitor; drop role visitor',
      /^warning the grants: .* public.hp_setting \(visitor select\), public.hp_worker_log \(visitor select\)/,
    ],
  ])('names what is not ours after: %s', async (breaks, fixes, says) => {
    await whileBroken(breaks, fixes, async () => {
      expect(await lines()).toContainEqual(expect.stringMatching(says));
      expect(await troubles()).toEqual([]);
    });
  });

  it('reports that pages can’t receive messages, or that strangers can', async () => {
    const policy = (role: string) =>
      `create policy "members listen to the fleet" on realtime.messages for select to ${role} using (extension = 'broadcast' and (select realtime.topic()) = 'hp:fleet' and (select hp_private.is_member()))`;
    await whileBroken(
      'drop policy "members listen to the fleet" on realtime.messages',
      policy('authenticated'),
      async () => {
        const { email, password } = inject('cluster').people.carol;
        expect(await troubles({ patienceMs: 20_000, person: { email, password } })).toEqual([
          expect.stringMatching(/the policy “members listen to the fleet” .* is missing/),
          expect.stringMatching(/a member: .* can’t join the Realtime channel: Unauthorized/),
        ]);
      },
    );
    const wakeUp = 'workers listen for their wake-up';
    await whileBroken(
      `alter policy "${wakeUp}" on realtime.messages rename to "another"`,
      `alter policy "another" on realtime.messages rename to "${wakeUp}"`,
      async () => {
        const found = await look();
        expect(found.filter(({ says }) => says.includes(wakeUp))).toEqual([
          expect.objectContaining({ level: 'warning', says: expect.stringContaining('commands wait') }),
        ]);
      },
    );
    await whileBroken(
      `alter policy "ours alone on topics of Lastseen" on realtime.messages using (true);
      create policy "open" on realtime.messages for select to anon using (true)`,
      `drop policy "open" on realtime.messages; drop policy "ours alone on topics of Lastseen" on realtime.messages; ${protection}`,
      async () => {
        expect(await troubles({ patienceMs: 20_000 })).toEqual([
          expect.stringMatching(/a stranger: can receive/),
        ]);
      },
    );
  });

  it('reports a person who is not a member, and a wrong password', async () => {
    const { email, password } = inject('cluster').people.mallory;
    const asked = { patienceMs: 20_000, keys: [whole().keys[1]!] };
    expect(await troubles({ ...asked, person: { email, password } })).toEqual([
      `trouble a member: ${email} is not a member`,
    ]);
    expect(await troubles({ ...asked, person: { email, password: 'no' } })).toEqual([
      expect.stringMatching(/a member: .* cannot sign in: .+/),
    ]);
  });

  it('reports that there is no owner', async () => {
    await whileBroken(
      // Bypasses the rule that the last owner stays.
      `set session_replication_role = replica; update hp_member set role = 'viewer' where role = 'owner'; reset session_replication_role`,
      `update hp_member set role = 'owner' where user_id = '${inject('cluster').people.alice.id}'`,
      async () => expect(await troubles()).toEqual([expect.stringMatching(/there is no owner/)]),
    );
  });

  it('names workers that never reported', async () => {
    expect(await lines()).toContainEqual(
      expect.stringMatching(
        /^warning the workers: analyze-worker, .* never reported, and the page shows “Unknown”/,
      ),
    );
  });

  it('tries a worker’s token, and says why it is rejected', async () => {
    const { sql } = stack.database;
    const make = async (label: string) => {
      const [row] = await sql`select hp_create_worker_token(${label}, 'crawl-%') as made`;
      return row!.made as { token: string; token_id: string };
    };
    const about = async (value: string, name = 'crawl-1') =>
      (await lines({ token: { value, name } })).filter((line) => line.includes('the worker’s token'));
    const [good, old, gone] = [await make('good'), await make('old'), await make('gone')];
    await sql`update hp_worker_token set expires_at = now() - interval '1 hour' where label = 'old'`;
    await sql`select hp_revoke_worker_token(${gone.token_id})`;

    expect(await about(good.token)).toEqual(['fine the worker’s token: valid for crawl-1']);
    expect(await about(good.token, 'mailer')).toEqual([
      expect.stringMatching(/^trouble .* rejected \(403\)/),
    ]);
    expect(await about(old.token)).toEqual([expect.stringMatching(/^trouble .* rejected \(401\).*expired/)]);
    expect(await about(gone.token)).toEqual([expect.stringMatching(/^trouble .* rejected \(401\).*revoked/)]);
    expect(await about('hbt_made_up')).toEqual([expect.stringMatching(/^trouble .* rejected \(401\)/)]);

    await sql`update hp_worker_token set expires_at = now() + interval '3 days' where label = 'good'`;
    const found = await lines();
    expect(found).toContainEqual(
      expect.stringMatching(/^warning the tokens: “good” expires within two weeks/),
    );
    expect(found).toContainEqual(
      expect.stringMatching(/^warning the tokens: “gone” was rejected within the last day: .*revoked/),
    );
  });

  it('reports a wrong clock, and by how much', () => {
    expect(inspectClock(1_000).level).toBe('fine');
    expect(inspectClock(-8_000)).toMatchObject({
      level: 'warning',
      says: expect.stringMatching('8 s ahead of') as string,
    });
    expect(inspectClock(90_000)).toMatchObject({
      level: 'trouble',
      says: expect.stringMatching('90 s behind') as string,
    });
    expect(inspectClock(undefined).level).toBe('skipped');
  });
});

describe('npm run doctor, with a tick that nothing runs', () => {
  let still: TestStack;
  beforeAll(async () => {
    still = await startTestStack({ tickEvery: 0 });
    await still.database.sql`update hp_private.monitor set tick_at = now() - interval '10 minutes'`;
    // As pg_cron has it.
    await still.database.sql.unsafe(`create schema cron;
      create table cron.job (jobid bigint, jobname text, schedule text, active boolean);
      create table cron.job_run_details (jobid bigint, runid bigint, status text, return_message text, end_time timestamptz)`);
  });
  afterAll(() => still?.stop());
  const about = async () => {
    const found = await look({
      url: still.url,
      keys: [{ name: secretName, value: still.secretKey }],
      patienceMs: undefined,
    });
    const [tick] = found.filter(({ level }) => level === 'trouble');
    return [tick?.says, ...(tick?.todo ?? [])].join('\n');
  };

  it('says since when, and what to do about pg_cron', async () => {
    const { sql } = still.database;
    expect(await about()).toMatch(
      /last ran 10 min ago, but should run every 5 s[^]*(GET \/api\/tick|schedule_tick)/,
    );
    await sql`insert into cron.job values (1, 'lastseen-tick', '5 seconds', false)`;
    expect(await about()).toContain('cron.alter_job(');
    await sql`update cron.job set active = true`;
    await sql`insert into cron.job_run_details values (1, 1, 'failed', 'ERROR: permission denied', now())`;
    expect(await about()).toContain('Message of pg_cron: ERROR: permission denied');
    await sql`update cron.job_run_details set status = 'succeeded'`;
    expect(await about()).toContain('restart the project');
  });

  it('says that the history is not updated, and why', async () => {
    const { sql } = still.database;
    await sql`update hp_private.history set failed_at = now(), failure = 'no room left'`;
    const found = await look({ url: still.url, keys: [{ name: secretName, value: still.secretKey }] });
    expect(found).toContainEqual(
      expect.objectContaining({
        level: 'warning',
        about: 'the history',
        says: expect.stringMatching(/no room left$/),
      }),
    );
  });
});
