-- Knobs that a team may turn without touching a migration. Numbers only where a number is meant:
-- hp_private.setting() is on the way of every beat.
create table if not exists public.hp_setting (
  key text
    constraint hp_setting_pkey primary key
    constraint hp_setting_key_check check (key ~ '^[a-z][a-z0-9_]{0,63}$'),
  value jsonb not null
    constraint hp_setting_value_check check (pg_column_size(value) <= 8192),
  description text not null default ''
    constraint hp_setting_description_check check (char_length(description) <= 500),
  updated_at timestamptz not null default now()
);

alter table public.hp_setting enable row level security;

revoke all on table public.hp_setting from anon, authenticated, service_role;
grant select on table public.hp_setting to authenticated, service_role;
grant insert (key, value, description), update (value) on table public.hp_setting to service_role;
-- note: authenticated may not write yet; the policies for owners come with the settings page.

comment on table public.hp_setting is 'Settings of this Lastseen installation, one per row.';
comment on column public.hp_setting.key is 'Name of the setting.';
comment on column public.hp_setting.value is 'Its value: a JSON number unless the description says otherwise.';
comment on column public.hp_setting.description is 'What it does, with its unit.';
comment on column public.hp_setting.updated_at is 'When the row was last written.';

-- An installation keeps what it has set: a later run adds only what is missing.
insert into public.hp_setting (key, value, description) values
  ('tick_every_s', '5', 'Seconds between two ticks; whoever schedules hp_tick() sets it to its own period.'),
  ('digest_every_s', '10', 'Seconds between two digests to open pages.'),
  ('watch_lasts_s', '150', 'Seconds for which one call of hp_watch() keeps digests coming.'),
  ('activity_store', '600', 'Activity messages that may be sent one a second before the rate falls to the refill.'),
  ('activity_refill_s', '10', 'Seconds in which one activity message is added to the store.'),
  ('messages_mb', '100', 'Megabytes that activity and digests may take in realtime.messages, which keeps up to four days of them.'),
  ('transition_store', '20', 'Transitions that may be sent at once before they are joined.'),
  ('transition_refill_per_s', '5', 'Transition messages added to their store a second.'),
  ('beats_per_second', '200', 'Beats a second that the whole fleet may send, activity included.'),
  ('event_days', '90', 'Days for which events are kept.'),
  ('events_per_hour', '1000', 'Events that are kept of one worker an hour; what comes above that only shows in its row.'),
  ('cleanup_after_s', '86400', 'Seconds after which stopped and crashed workers that are not expected are removed; 0: never.'),
  ('instance_days', '7', 'Days for which ended instances are kept.'),
  ('log_lines', '500', 'Lines of its log that are kept of each worker.'),
  ('log_days', '7', 'Days for which lines of logs are kept.'),
  ('logs_mb', '50', 'Megabytes that the logs of all workers may hold together; the oldest lines go first.'),
  ('command_days', '365', 'Days for which commands are kept: the audit log.')
on conflict (key) do nothing;

-- A setting that is missing or no number is a broken installation: null then makes the caller's default count.
create or replace function hp_private.setting(key text) returns numeric
language sql stable set search_path = ''
return (
  select case when jsonb_typeof(s.value) = 'number' then least(greatest(s.value::numeric, 0), 1e9) end
  from public.hp_setting s where s.key = setting.key
);

revoke all on function hp_private.setting(text) from public;

comment on function hp_private.setting(text) is 'The number stored under a key of hp_setting, or null.';
