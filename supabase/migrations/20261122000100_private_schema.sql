-- Everything that is not part of the API lives in hp_private: the Data API does not expose it,
-- so nothing in it can be called or read from outside, whatever its grants.
create schema if not exists hp_private;

comment on schema hp_private is 'Lastseen''s inner functions and state; not exposed by the Data API.';

revoke all on schema hp_private from public;

-- authenticated: row level security policies call hp_private.is_member() as the reader.
grant usage on schema hp_private to authenticated, service_role;
