-- One row per process start. Written when an instance registers, takes a worker's row over, is superseded, or
-- ends; while it holds the worker's row its counts and lease are there, so that a beat stays one update.
create table if not exists public.hp_worker_instance (
  instance_id uuid
    constraint hp_worker_instance_pkey primary key,
  worker_name text not null
    constraint hp_worker_instance_worker_name_fkey
      references public.hp_worker_status (worker_name) on delete cascade on update cascade,
  epoch bigint not null
    constraint hp_worker_instance_epoch_key unique,
  status text not null,
  started_at timestamptz,
  hostname text,
  pid bigint,
  version text,
  runtime text,
  sequence bigint not null default 0,
  counted_jobs bigint not null default 0,
  counted_errors bigint not null default 0,
  last_heartbeat timestamptz not null,
  lease_expires_at timestamptz,
  registered_at timestamptz not null,
  took_over_at timestamptz,
  superseded_at timestamptz,
  ended_at timestamptz,
  last_exit jsonb,
  log_line bigint not null default 0,
  logs_dropped bigint not null default 0
);

create index if not exists hp_worker_instance_worker_name_idx
  on public.hp_worker_instance (worker_name, epoch desc);

alter table public.hp_worker_instance enable row level security;

drop policy if exists "members read every instance" on public.hp_worker_instance;
create policy "members read every instance" on public.hp_worker_instance
  for select to authenticated using ((select hp_private.is_member()));

revoke all on table public.hp_worker_instance from anon, authenticated, service_role;
grant select on table public.hp_worker_instance to authenticated, service_role;
-- note: nobody writes it but the functions of the heartbeat.

comment on table public.hp_worker_instance is 'Process starts of workers: what each had counted when it last gave up the row, and how it ended.';
comment on column public.hp_worker_instance.instance_id is 'The process''s own id, made at its start.';
comment on column public.hp_worker_instance.worker_name is 'The worker that it is an instance of.';
comment on column public.hp_worker_instance.epoch is 'Order of registration; the newest live one holds the worker''s row.';
comment on column public.hp_worker_instance.status is 'Its last status while it did not hold the row, or at its end.';
comment on column public.hp_worker_instance.started_at is 'When it started, by the server''s clock.';
comment on column public.hp_worker_instance.hostname is 'Machine or container that it runs on.';
comment on column public.hp_worker_instance.pid is 'Its process id there.';
comment on column public.hp_worker_instance.version is 'Build of the worker.';
comment on column public.hp_worker_instance.runtime is 'Runtime and version.';
comment on column public.hp_worker_instance.sequence is 'Last beat applied while it did not hold the row.';
comment on column public.hp_worker_instance.counted_jobs is 'How much of its total of jobs has been added to the worker''s.';
comment on column public.hp_worker_instance.counted_errors is 'How much of its total of errors has been added to the worker''s.';
comment on column public.hp_worker_instance.last_heartbeat is 'When it was last heard while it did not hold the row.';
comment on column public.hp_worker_instance.lease_expires_at is 'How long that vouches for it.';
comment on column public.hp_worker_instance.registered_at is 'When its first beat came.';
comment on column public.hp_worker_instance.took_over_at is 'When it last took the worker''s row.';
comment on column public.hp_worker_instance.superseded_at is 'When a newer instance took the row from it; null while none has.';
comment on column public.hp_worker_instance.ended_at is 'When it said goodbye or its last words; null for one that fell silent.';
comment on column public.hp_worker_instance.last_exit is 'Its last words.';
comment on column public.hp_worker_instance.log_line is 'Number of the last line of its log that has come; a line that is sent again is known by it.';
comment on column public.hp_worker_instance.logs_dropped is 'How many lines of its log it has dropped since its start, as it says.';
