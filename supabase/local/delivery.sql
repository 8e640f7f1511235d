-- Not Supabase's: how a committed broadcast reaches our local Realtime endpoint, which has no replication slot to read.
-- NOTIFY is part of the transaction, so what is rolled back is never delivered. Only the id goes through it: a
-- notification holds 8,000 bytes, a message 256 KB.

create or replace function realtime.lastseen_deliver() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if new.extension = 'broadcast' then
    perform pg_catalog.pg_notify('lastseen_realtime', new.id::text);
  end if;
  return null;
end
$$;

create or replace trigger lastseen_deliver after insert on realtime.messages
  for each row execute function realtime.lastseen_deliver();
