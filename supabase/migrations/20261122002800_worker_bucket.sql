-- History: what each worker did in each minute, hour and day. One row holds a step of time for 128 workers, a value of each
-- in arrays by place; so it is written once and never again, and takes 16 bytes a worker and minute
-- (docs/decisions/0011-history-in-blocks.md).
create table if not exists public.hp_worker_bucket (
  step_s integer not null,
  at timestamptz not null,
  block bigint not null,
  up_s integer[] not null,
  known_s integer[] not null,
  jobs integer[] not null,
  errors integer[] not null,
  cpu_mean smallint[] not null,
  cpu_max smallint[] not null,
  memory_mean smallint[] not null,
  memory_max smallint[] not null,
  lag_max smallint[] not null,
  jobs_done bigint not null default 0,
  constraint hp_worker_bucket_pkey primary key (block, step_s, at)
) partition by range (step_s, at);

-- Compressed where they are, rather than put aside: a chart reads a few hundred rows.
alter table public.hp_worker_bucket
  alter column up_s set storage main, alter column known_s set storage main,
  alter column jobs set storage main, alter column errors set storage main,
  alter column cpu_mean set storage main, alter column cpu_max set storage main,
  alter column memory_mean set storage main, alter column memory_max set storage main,
  alter column lag_max set storage main;

alter table public.hp_worker_bucket enable row level security;

drop policy if exists "members read the history" on public.hp_worker_bucket;
create policy "members read the history" on public.hp_worker_bucket
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_bucket from anon, authenticated, service_role;
grant select on table public.hp_worker_bucket to authenticated, service_role;
-- note: nobody writes it but the tick.

comment on table public.hp_worker_bucket is 'History of workers by the minute, hour and day, 128 of them to a row: the worker with worker_id n is in the block n / 128, at place n % 128 + 1 of its arrays. hp_worker_history() reads it.';
comment on column public.hp_worker_bucket.step_s is 'Length of the step: 60, 3600 or 86400 seconds.';
comment on column public.hp_worker_bucket.at is 'When the step began; steps begin at whole minutes, hours and days of UTC.';
comment on column public.hp_worker_bucket.block is 'Which 128 workers: worker_id / 128.';
comment on column public.hp_worker_bucket.up_s is 'Seconds for which the worker was up; null where nothing is known.';
comment on column public.hp_worker_bucket.known_s is 'Seconds of which is known whether it was up; downtime that was meant is not among them.';
comment on column public.hp_worker_bucket.jobs is 'Jobs that were heard of.';
comment on column public.hp_worker_bucket.errors is 'Errors that were heard of.';
comment on column public.hp_worker_bucket.cpu_mean is 'CPU, mean of what its beats said, in tenths of a percent of one core; 3,276.7 % at most.';
comment on column public.hp_worker_bucket.cpu_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.memory_mean is 'Memory, mean, in tenths of a percent of what it may use.';
comment on column public.hp_worker_bucket.memory_max is 'The same, the highest.';
comment on column public.hp_worker_bucket.lag_max is 'Event loop delay, the highest, in milliseconds; 32,767 at most.';
comment on column public.hp_worker_bucket.jobs_done is 'Jobs of all of these workers together.';

-- Where the roll-up stands: one row.
create table if not exists hp_private.history (
  id boolean not null default true
    constraint history_pkey primary key
    constraint history_id_check check (id),
  kept_since timestamptz,
  minutes_to timestamptz,
  counted_to timestamptz,
  hours_to timestamptz,
  days_to timestamptz,
  swept_at timestamptz,
  failed_at timestamptz,
  failure text
) with (fillfactor = 50);

insert into hp_private.history default values on conflict do nothing;

alter table hp_private.history enable row level security;

drop policy if exists "members see where the history stands" on hp_private.history;
create policy "members see where the history stands" on hp_private.history
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table hp_private.history from public, anon, authenticated, service_role;
grant select on table hp_private.history to authenticated, service_role;

comment on table hp_private.history is 'Where the roll-up of the history stands, one row.';
comment on column hp_private.history.id is 'Always true: there is one row.';
comment on column hp_private.history.kept_since is 'When it began: the first tick.';
comment on column hp_private.history.minutes_to is 'The end of the last minute that was rolled up.';
comment on column hp_private.history.counted_to is 'As of when the totals in history_total count.';
comment on column hp_private.history.hours_to is 'The end of the last hour that was made of its minutes.';
comment on column hp_private.history.days_to is 'The end of the last day that was made of its hours.';
comment on column hp_private.history.swept_at is 'When what is too old or too much was last removed.';
comment on column hp_private.history.failed_at is 'Since when the roll-up fails; null normally.';
comment on column hp_private.history.failure is 'What it failed with last.';

-- What is in the history already of each worker's lifetime totals: a step is what came on top. A step that was not rolled up
-- loses no job.
create table if not exists hp_private.history_total (
  block bigint
    constraint history_total_pkey primary key,
  jobs bigint[] not null,
  errors bigint[] not null
) with (fillfactor = 50);

alter table hp_private.history_total enable row level security;

revoke all on table hp_private.history_total from public, anon, authenticated, service_role;
-- note: no policy and no grant: the tick alone.

comment on table hp_private.history_total is 'Lifetime totals that the history holds already, 128 workers to a row.';
comment on column hp_private.history_total.block is 'Which 128 workers: worker_id / 128.';
comment on column hp_private.history_total.jobs is 'Of jobs_processed.';
comment on column hp_private.history_total.errors is 'Of error_count.';

-- What beats said of their process's load, until their minute is rolled up: a tick takes down what came since the last.
-- Beats themselves keep no sums: that would cost each of them 3 to 10 % more.
create table if not exists hp_private.history_sample (
  at timestamptz
    constraint history_sample_pkey primary key,
  worker_ids bigint[] not null,
  minutes integer[] not null,
  cpu real[] not null,
  memory real[] not null,
  lag real[] not null
);

alter table hp_private.history_sample enable row level security;

revoke all on table hp_private.history_sample from public, anon, authenticated, service_role;
-- note: no policy and no grant: the tick alone.

comment on table hp_private.history_sample is 'What beats said of the load of their process since the tick before, for the minutes that are not rolled up yet.';
comment on column hp_private.history_sample.at is 'The tick.';
comment on column hp_private.history_sample.worker_ids is 'Who was heard.';
comment on column hp_private.history_sample.minutes is 'In which minute, counted since the epoch.';
comment on column hp_private.history_sample.cpu is 'cpu_percent.';
comment on column hp_private.history_sample.memory is 'memory_percent.';
comment on column hp_private.history_sample.lag is 'event_loop_lag_ms.';

insert into public.hp_setting (key, value, description) values
  ('history_minutes_hours', '48', 'Hours for which the history is kept by the minute.'),
  ('history_days', '90', 'Days for which the history is kept by the hour and day.'),
  ('history_max_mb', '150', 'Megabytes that the history may take; the oldest of it goes first.')
on conflict (key) do nothing;
