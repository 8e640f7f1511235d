/**
 * Who may do what with everything of ours in the database. `access-matrix.test.ts` walks the catalogue as each of them and
 * compares: what has no line here fails, and so does a line for what is no more.
 *
 * The six who ask, in this order: anon (the publishable key alone), a stranger (merely signed up), a viewer, an operator,
 * an owner, and the secret key.
 */
export const askers = ['anon', 'stranger', 'viewer', 'operator', 'owner', 'secret key'] as const;
export type Asker = (typeof askers)[number];
type Line = readonly [string, string, string, string, string, string];

/**
 * `r` reads every row · `o` reads rows of their own · `e` may ask, and finds nothing
 * `i` `u` `d` may insert, update, delete, in whichever columns · `-` is refused
 *
 * The tables of `hp_private` cannot be asked for through the Data API at all; what is granted there is for functions and
 * policies that run with the rights of the one who asks.
 */
export const relations: Record<string, Line> = {
  // prettier-ignore
  'hp_private.followed_worker': ['-', '-', '-',  '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.group_state':    ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.history':        ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.history_sample': ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.history_total':  ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.judged_worker':  ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.mass_silence':   ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.message_budget': ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.monitor':        ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.process_lease':  ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.sign_in_salt':   ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.sign_in_try':    ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  'hp_private.surely_fine':    ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.unknown_token_rate': ['-', '-', '-', '-', '-', '-'],
  // prettier-ignore
  'hp_private.worker_state':   ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  'hp_private.worker_token_added': ['-', '-', '-', '-', '-', '-'],
  // prettier-ignore
  hp_active_workers:           ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_dead_workers:             ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_embed_key:                ['-', 'e', 'e',   'e',    'r',    'r'],
  // prettier-ignore
  hp_job_lease:                ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_member:                   ['-', 'e', 'o',   'o',    'o',    'r'],
  // prettier-ignore
  hp_member_invite:            ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  hp_setting:                  ['-', 'e', 'r',   'r',    'r',    'riu'],
  // Its partitions, in hp_private, are nobody's: they are read through it.
  // prettier-ignore
  hp_worker_bucket:            ['-', 'e', 'r',   'r',    'r',    'r'],
  // A viewer reads what was asked and as what, and not by whom: hp_worker_commands() says that as far as they may know.
  // prettier-ignore
  hp_worker_command:           ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_event:             ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_group:             ['-', 'e', 'r',   'riud', 'riud', 'riud'],
  // prettier-ignore
  hp_worker_group_health:      ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_instance:          ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_log:               ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_stats:             ['-', 'e', 'r',   'r',    'r',    'r'],
  // prettier-ignore
  hp_worker_token:             ['-', '-', '-',   '-',    '-',    '-'],
  // prettier-ignore
  hp_worker_status:            ['-', 'e', 'r',   'r',    'r',    'riud'],
};

/**
 * How the test calls each function, and then who gets through: `+` or, where they are refused, `-`. Whoever gets through may
 * still be told that there is no such worker. anon stands for the publishable key without a worker token; with one,
 * `hp_heartbeat` and the leases open for the token's names (worker-token.test.ts).
 */
export const functions: Record<string, readonly [string, ...Line]> = {
  // prettier-ignore
  'hp_add_member(text,text)': ["hp_add_member('mallory@example.com', 'owner')",
    '-', '-', '-', '-', '-', '-'],
  // With an embed key anyone gets through (public.test.ts).
  // prettier-ignore
  'hp_bar(text)': ['hp_bar()',
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_admit_sign_in(text,text,text)': ["hp_admit_sign_in('network', 'alice@example.com')",
    '+', '+', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_claim_invite()': ['hp_claim_invite()',
    '-', '+', '+', '+', '+', '-'],
  // prettier-ignore
  'hp_claim_lease(text,uuid,text,bigint)': ["hp_claim_lease('crawl-worker', gen_random_uuid(), 'key', 1)",
    '-', '-', '-', '-', '-', '+'],
  // prettier-ignore
  'hp_cleanup_stale_workers(interval)': ["hp_cleanup_stale_workers('1 day')",
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_create_embed_key(text)': ["hp_create_embed_key('label')",
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_create_worker_token(text,text,interval)': ["hp_create_worker_token('label', 'crawl-%')",
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_diagnosis()': ['hp_diagnosis()',
    '-', '-', '-', '-', '-', '+'],
  // prettier-ignore
  'hp_fleet()': ['hp_fleet()',
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_forget_sign_in(text)': ["hp_forget_sign_in('network')",
    '-', '+', '+', '+', '+', '-'],
  // prettier-ignore
  'hp_heartbeat(jsonb)': ["hp_heartbeat('[{}]')",
    '-', '-', '-', '-', '-', '+'],
  // prettier-ignore
  'hp_invite_member(text,text)': ["hp_invite_member('new@example.com', 'viewer')",
    '-', '-', '-', '-', '+', '-'],
  // prettier-ignore
  'hp_list_worker_tokens()': ['hp_list_worker_tokens()',
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_mark_seen(text,text)': ["hp_mark_seen('crawl-worker')",
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_members()': ['hp_members()',
    '-', '-', '-', '-', '+', '-'],
  // prettier-ignore
  'hp_pause(text,text,timestamp with time zone,text)': [
    "hp_pause('crawl-worker', null, now() + interval '1 hour', 'a reason')",
    '-', '-', '-', '+', '+', '+'],
  // Name, health, last seen and uptime of workers marked public; null while the public page is off.
  // prettier-ignore
  'hp_public_status()': ['hp_public_status()',
    '+', '+', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_release_dead_worker_leases()': ['hp_release_dead_worker_leases()',
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_release_lease(text,uuid,text,bigint)': ["hp_release_lease('crawl-worker', gen_random_uuid(), 'key', 1)",
    '-', '-', '-', '-', '-', '+'],
  // prettier-ignore
  'hp_remove_member(uuid)': ['hp_remove_member(gen_random_uuid())',
    '-', '-', '-', '-', '+', '-'],
  // Every try of who is signed in is recorded, and answered with what is wrong with it.
  // prettier-ignore
  'hp_request_command(text,text,text,jsonb,uuid)': ["hp_request_command('crawl-worker', 'restart', 'a reason')",
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_revoke_embed_key(uuid)': ['hp_revoke_embed_key(gen_random_uuid())',
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_revoke_worker_token(bigint)': ['hp_revoke_worker_token(1)',
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_set_frame_ancestors(text)': ["hp_set_frame_ancestors('https://app.example.com')",
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_set_member_role(uuid,text)': ["hp_set_member_role(gen_random_uuid(), 'viewer')",
    '-', '-', '-', '-', '+', '-'],
  // prettier-ignore
  'hp_set_public_page(boolean,text[])': ["hp_set_public_page(true, '{crawl-worker}')",
    '-', '-', '-', '-', '+', '+'],
  // prettier-ignore
  'hp_sparks(bigint[])': ["hp_sparks('{1}')",
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_stop_worker(text,text)': ["hp_stop_worker('crawl-worker')",
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_throughput()': ['hp_throughput()',
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_tick()': ['hp_tick()',
    '-', '-', '-', '-', '-', '+'],
  // prettier-ignore
  'hp_unpause(text,text,text)': ["hp_unpause('crawl-worker')",
    '-', '-', '-', '+', '+', '+'],
  // prettier-ignore
  'hp_watch()': ['hp_watch()',
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_watch_worker(text)': ["hp_watch_worker('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_withdraw_invite(text)': ["hp_withdraw_invite('nobody@example.com')",
    '-', '-', '-', '-', '+', '-'],
  // prettier-ignore
  'hp_worker_commands(text,text,bigint,integer)': ["hp_worker_commands('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_worker_logs(text,integer,text,text,bigint)': ["hp_worker_logs('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_worker_events(text,timestamp with time zone,bigint,text[],integer)': ["hp_worker_events('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_worker_page(text)': ["hp_worker_page('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
  // Words and figures about a row that the caller has already: nothing is read but the monitor.
  // prettier-ignore
  'hp_worker_health(hp_worker_status,timestamp with time zone)': [
    'hp_worker_health(null::hp_worker_status, now())',
    '-', '+', '+', '+', '+', '+'],
  // prettier-ignore
  'hp_worker_history(text,text)': ["hp_worker_history('crawl-worker')",
    '-', '-', '+', '+', '+', '+'],
};

/**
 * The inner functions that others than their owner may run: policies and functions that read with the rights of the one who
 * asks need them. Nobody can name them from outside, for the Data API does not expose `hp_private`.
 */
export const innerFunctions: Record<
  string,
  'signed in' | 'secret key' | 'signed in, secret key' | 'anon, signed in, secret key'
> = {
  'block_ends(bigint)': 'signed in, secret key',
  'epoch_ms(timestamp with time zone)': 'signed in, secret key',
  'fleet_header(timestamp with time zone)': 'signed in, secret key',
  'group_health(timestamp with time zone)': 'signed in, secret key',
  'history_ends(timestamp with time zone)': 'signed in, secret key',
  'is_alive(hp_worker_status,timestamp with time zone,timestamp with time zone)': 'signed in, secret key',
  'is_overdue(hp_worker_status,timestamp with time zone,timestamp with time zone)': 'signed in, secret key',
  'caller_role()': 'signed in, secret key',
  'log_levels()': 'signed in, secret key',
  'require_member()': 'signed in, secret key',
  'statuses()': 'signed in, secret key',
  'sparks(bigint[],timestamp with time zone)': 'signed in, secret key',
  'throughput(timestamp with time zone)': 'signed in, secret key',
  'monitored_ms(hp_worker_status,timestamp with time zone)': 'signed in, secret key',
  'words_count(double precision,text)': 'signed in, secret key',
  'words_instant(timestamp with time zone)': 'signed in, secret key',
  'words_lasting(double precision)': 'signed in, secret key',
  'words_span(double precision,double precision)': 'signed in, secret key',
  'worker_health(hp_worker_status,timestamp with time zone,timestamp with time zone,timestamp with time zone,timestamp with time zone,text)':
    'signed in, secret key',
  'worker_days(bigint,timestamp with time zone)': 'signed in, secret key',
  'worker_history(text,text,timestamp with time zone)': 'signed in, secret key',
  'worker_steps(bigint,integer,timestamp with time zone,timestamp with time zone)': 'signed in, secret key',
  'is_member()': 'anon, signed in, secret key',
  'member_role()': 'anon, signed in, secret key',
  'json_problem(jsonb,integer)': 'secret key',
};

/** Private channels: who may listen (`l`) and who may speak (`s`). The secret key passes by every policy. */
export const channels: Record<string, Line> = {
  // prettier-ignore
  'hp:fleet':   ['-', '-', 'l', 'l', 'l', 'ls'],
  // And the name of a worker.
  // prettier-ignore
  'hp:worker:': ['-', '-', 'l', 'l', 'l', 'ls'],
  // And the id of a process, which listens with the publishable key. Its messages are empty.
  // prettier-ignore
  'hp:wake-up:':  ['l', 'l', 'l', 'l', 'l', 'ls'],
  // prettier-ignore
  'hp:another': ['-', '-', '-', '-', '-', 'ls'],
};

/** Every policy that lets somebody into a channel, and the channels. */
export const channelPolicies: Record<string, (keyof typeof channels)[]> = {
  'members listen to the fleet': ['hp:fleet', 'hp:worker:', 'hp:wake-up:'],
  'workers listen for their wake-up': ['hp:wake-up:'],
  'ours alone on topics of Lastseen': [], // restrictive: lets nobody in
};
