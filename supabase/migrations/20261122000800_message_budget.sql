-- Broadcasts are rows, metered, and a channel closes above 100 messages a second: a store per kind of message.
create table if not exists hp_private.message_budget (
  kind text
    constraint message_budget_pkey primary key
    constraint message_budget_kind_check check (kind in ('transition', 'activity', 'log')),
  stored double precision not null,
  filled_at timestamptz not null,
  sent_at timestamptz not null,
  bytes bigint not null default 0
) with (fillfactor = 50);

insert into hp_private.message_budget (kind, stored, filled_at, sent_at)
values ('transition', 0, '-infinity', '-infinity'), ('activity', 0, '-infinity', '-infinity'),
  ('log', 0, '-infinity', '-infinity')
on conflict (kind) do nothing;

alter table hp_private.message_budget enable row level security;
revoke all on table hp_private.message_budget from public, anon, authenticated, service_role;
-- note: no policy and no grant; only the functions that send use it.

comment on table hp_private.message_budget is 'How many messages of a kind may still be sent at once.';
comment on column hp_private.message_budget.kind is 'Kind of message.';
comment on column hp_private.message_budget.stored is 'Messages in store at filled_at.';
comment on column hp_private.message_budget.filled_at is 'When stored was last worked out; -infinity before the first message, when the store is full.';
comment on column hp_private.message_budget.sent_at is 'When the last message of the kind was sent.';
comment on column hp_private.message_budget.bytes is 'How large the last digest or activity message was in memory.';

-- Takes one message out of a store, or says no. The row is read without a lock and changed by compare-and-swap
-- under a try-lock, so that beats never wait for each other here (16 clients: 14,200 beats a second; with
-- select for update 4,900). Call it after all worker rows are written.
create or replace function hp_private.take_message(
  kind text, capacity double precision, per_second double precision, spacing interval, at timestamptz
) returns boolean
language plpgsql set search_path = ''
as $$
declare
  v_budget hp_private.message_budget;
  v_stored double precision;
begin
  select * into v_budget from hp_private.message_budget b where b.kind = take_message.kind;
  v_stored := case
    when isfinite(v_budget.filled_at) then least(capacity, v_budget.stored
      + per_second * greatest(0, extract(epoch from at - v_budget.filled_at)::double precision))
    else capacity
  end;
  if at - spacing < v_budget.sent_at or v_stored < 1
    or not pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext(take_message.kind))
  then
    return false;
  end if;
  update hp_private.message_budget b
  set stored = v_stored - 1, filled_at = take_message.at, sent_at = take_message.at
  where b.kind = take_message.kind
    and b.sent_at = v_budget.sent_at and b.filled_at = v_budget.filled_at and b.stored = v_budget.stored;
  return found;
end
$$;

revoke all on function hp_private.take_message(text, double precision, double precision, interval, timestamptz) from public;

comment on function hp_private.take_message(text, double precision, double precision, interval, timestamptz) is 'Takes one message of a kind out of its store; false when there is none, when the last was too recent, or when another transaction is taking one.';

-- Seconds that lie between two messages as large as the last one, where nothing else hurries: as often as the digest, or
-- as rarely as the room for messages demands, but soon enough for a page, which calls itself not live after 25 s.
create or replace function hp_private.message_every_s(bytes bigint) returns double precision
language sql stable set search_path = ''
return greatest(
  coalesce(nullif(hp_private.setting('digest_every_s'), 0), 10)::double precision,
  -- 0.6: PostgreSQL compresses more than half of it away, and adds TOAST and two indexes. Partitions of four days are kept.
  least(20, bytes * 0.6 * 4 * 86400 / (greatest(coalesce(hp_private.setting('messages_mb'), 100), 1) * 1e6)));

-- Whether a page waits for a digest: an activity message is one too. Half a tick early is on time: the two periods are
-- rarely in step.
create or replace function hp_private.digest_due(digest_at timestamptz, tick_every interval, at timestamptz) returns boolean
language sql stable set search_path = ''
return (
  select coalesce(greatest(digest_due.digest_at, b.sent_at)
    <= digest_due.at - make_interval(secs => hp_private.message_every_s(b.bytes)) + least(tick_every / 2, interval '2.5 seconds'), true)
  from hp_private.message_budget b where b.kind = 'activity'
);

-- Notes how large an activity message or a digest was. A digest, which nobody asked the store for, is taken from it
-- afterwards, so that both together are no more than it allows. Waits for nobody.
create or replace function hp_private.count_message(event text, bytes bigint) returns void
language plpgsql set search_path = ''
as $$
begin
  if pg_try_advisory_xact_lock(hashtext('hp_private.message_budget'), hashtext('activity')) then
    update hp_private.message_budget b set
      bytes = count_message.bytes,
      stored = case when event = 'digest' and isfinite(b.filled_at) then greatest(-10, b.stored - 1) else b.stored end
    where b.kind = 'activity';
  end if;
end
$$;

revoke all on function hp_private.message_every_s(bigint) from public;
revoke all on function hp_private.digest_due(timestamptz, interval, timestamptz) from public;
revoke all on function hp_private.count_message(text, bigint) from public;

comment on function hp_private.message_every_s(bigint) is 'Seconds between two messages of that size.';
comment on function hp_private.digest_due(timestamptz, interval, timestamptz) is 'Whether it is time for a digest.';
comment on function hp_private.count_message(text, bigint) is 'Keeps account of a message that was sent.';
