-- What is wrong with JSON that somebody sends, or null; asked before anything reads that JSON as text. 1e131071 takes 12 bytes of
-- jsonb and 131 kB of text: 4,000 of them took 1.4 GB and 12 s, which statement_timeout did not interrupt. The path reads
-- numbers as numeric and stops at the first that is found. A third has as many decimals as its divisor, which is how a path sees
-- the decimals of 0e-16383. The size comes first, because the path takes 0.5 us a number.
create or replace function hp_private.json_problem(value jsonb, most_bytes integer) returns text
language sql immutable set search_path = ''
return case
  when pg_column_size(value) > most_bytes then format('takes %s bytes; at most %s', pg_column_size(value), most_bytes)
  when value @? '$.**{64}' then 'is nested too deeply; at most 63 levels'
  when value @? 'strict $.** ? (@ > 1e308 || @ < -1e308 || 1 / (3 + @ * 0) > 0.333333333333333333333333333333)'
    then 'holds a number above 1e308 or with more than 30 decimals'
end;

-- What a team may change without touching a migration. Every beat calls hp_private.setting(), which reads numbers only.
create table if not exists public.hp_setting (
  key text
    constraint hp_setting_pkey primary key
    constraint hp_setting_key_check check (key ~ '^[a-z][a-z0-9_]{0,63}$'),
  value jsonb not null
    constraint hp_setting_value_check check (hp_private.json_problem(value, 8192) is null),
  description text not null default ''
    constraint hp_setting_description_check check (char_length(description) <= 500),
  updated_at timestamptz not null default now()
);

alter table public.hp_setting enable row level security;

drop policy if exists "members read the settings" on public.hp_setting;
create policy "members read the settings" on public.hp_setting
  for select to authenticated using ((select hp_private.is_member()));

drop policy if exists "only members, whatever else is allowed" on public.hp_setting;
create policy "only members, whatever else is allowed" on public.hp_setting as restrictive
  for all to public using ((select hp_private.is_member()));

revoke all on table public.hp_setting from anon, authenticated, service_role;
grant select on table public.hp_setting to authenticated, service_role;
grant insert (key, value, description), update (value) on table public.hp_setting to service_role;
-- note: authenticated may not write yet; the policies for owners come with the settings page.

comment on table public.hp_setting is 'Settings of this Lastseen installation, one per row.';
comment on column public.hp_setting.key is 'Name of the setting.';
comment on column public.hp_setting.value is 'Its value: a JSON number unless its description names another type.';
comment on column public.hp_setting.description is 'What it does, with its unit.';
comment on column public.hp_setting.updated_at is 'When the row was last written.';

-- Each concept adds its own settings in its own file. An installation keeps what it has set: a later run adds only what is
-- missing.

-- A setting that is missing or no number is a broken installation: null then makes the caller's default count.
create or replace function hp_private.setting(key text) returns numeric
language sql stable set search_path = ''
return (
  select case when jsonb_typeof(s.value) = 'number' then least(greatest(s.value::numeric, 0), 1e9) end
  from public.hp_setting s where s.key = setting.key
);

-- A time that a setting counts in days: at most 100 years, for no time lies millions of days ago.
create or replace function hp_private.setting_days(key text, otherwise integer) returns interval
language sql stable set search_path = ''
return make_interval(days => least(36500, coalesce(hp_private.setting(setting_days.key), otherwise))::integer);

revoke all on function hp_private.json_problem, hp_private.setting, hp_private.setting_days from public;
grant execute on function hp_private.json_problem to service_role;
-- note: the check of hp_setting calls it as the one who writes.

comment on function hp_private.json_problem is 'Why JSON that somebody sends is not kept, or null: too large, nested too deeply, or a number out of range.';
comment on function hp_private.setting_days is 'The days stored under a key of hp_setting, or else so many.';
comment on function hp_private.setting is 'The number stored under a key of hp_setting, or null.';
