-- Not part of Supabase: notifies our local Realtime endpoint, which reads no replication slot, of committed broadcasts.
-- NOTIFY is part of the transaction, so a message that is rolled back is not delivered. Only the id is sent: a
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
