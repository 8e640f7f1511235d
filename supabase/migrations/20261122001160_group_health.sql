-- How the groups are as a whole: how many of their workers are alive, against how many people want. The page reckons the
-- same (src/lib/fleet/group.ts, tally.ts); a test holds the two equal.
create or replace function hp_private.group_health(at timestamptz)
returns table (
  worker_type text, desired integer, minimum integer, alive bigint, expected bigint, level text, rule text, reason text
)
language sql stable set search_path = ''
begin atomic
  with judged as (
    select nullif(w.worker_type, '') as worker_type, w.expected, h.rule,
      hp_private.is_alive(w, group_health.at, p.watching_since) as alive
    from public.hp_worker_status w
      cross join hp_private.pulse p
      left join public.hp_worker_group g on g.worker_type = w.worker_type
      cross join lateral hp_private.worker_health(
        w, group_health.at, p.watching_since, p.impaired_since, g.paused_until, g.paused_reason) h
    where w.worker_type <> ''
  ),
  counted as (
    -- A paused worker counts for nothing. One of which nobody can tell, because the watch is impaired, accuses nobody.
    select j.worker_type,
      count(*) filter (where j.alive) as alive,
      count(*) filter (where j.alive and j.expected) as alive_expected,
      count(*) filter (where j.expected) as expected,
      count(*) filter (where not j.alive and j.rule = 'not-watched') as unsure
    from judged j where j.rule <> 'paused' group by j.worker_type
  ),
  known as (
    select g.worker_type from public.hp_worker_group g
    union
    select w.worker_type from public.hp_worker_status w where w.worker_type <> ''
  ),
  reckoned as (
    select k.worker_type, g.desired, g.minimum, g.paused_reason,
      coalesce(hp_private.epoch_ms(g.paused_until) > hp_private.epoch_ms(group_health.at), false) as paused,
      coalesce(c.alive, 0) as alive, coalesce(c.alive_expected, 0) as alive_expected,
      coalesce(c.expected, 0) as expected, coalesce(c.alive, 0) + coalesce(c.unsure, 0) as possible
    from known k
      left join public.hp_worker_group g on g.worker_type = k.worker_type
      left join counted c on c.worker_type = k.worker_type
  )
  select r.worker_type, r.desired, r.minimum,
    case when r.desired is null then r.alive_expected else r.alive end,
    case when r.paused then 0 else greatest(r.desired, r.expected) end,
    h.health[1], h.health[2], h.health[3]
  from reckoned r
    cross join lateral (
      select r.alive || coalesce('/' || r.desired, '') || ' running' || coalesce(', minimum ' || r.minimum, '') as count
    ) words
    cross join lateral (
      select case
        when r.paused then array['inactive', 'paused', coalesce(r.paused_reason, 'paused')]
        when r.possible < r.minimum then array['critical', 'below-minimum', words.count]
        when r.possible < r.desired then array['warning', 'below-desired', words.count]
        when r.alive < greatest(r.desired, r.minimum) then array['unknown', 'not-watched', words.count
          || coalesce(', not watched since ' || hp_private.words_instant((select p.impaired_since from hp_private.pulse p)), '')]
        else array['healthy', 'fine', '']
      end as health
    ) h
  order by r.worker_type;
end;

create or replace view public.hp_worker_group_health with (security_invoker = true) as
select h.worker_type, h.desired, h.minimum, h.alive, h.expected, h.level, h.rule, h.reason
from hp_private.group_health(now()) h;

revoke all on function hp_private.group_health(timestamptz) from public;
grant execute on function hp_private.group_health(timestamptz) to authenticated, service_role;
revoke all on table public.hp_worker_group_health from public, anon, authenticated, service_role;
grant select on table public.hp_worker_group_health to authenticated, service_role;

comment on function hp_private.group_health(timestamptz) is 'hp_worker_group_health at a given time.';
comment on view public.hp_worker_group_health is 'Each group now: how many of its workers are alive, how many are expected, and its level: below minimum critical, below desired warning.';
comment on column public.hp_worker_group_health.worker_type is 'The group.';
comment on column public.hp_worker_group_health.desired is 'How many of its workers should be alive, where somebody has said so.';
comment on column public.hp_worker_group_health.minimum is 'With fewer alive it is critical.';
comment on column public.hp_worker_group_health.alive is 'How many of its unpaused workers are alive: replicas included where desired is set, else the expected ones.';
comment on column public.hp_worker_group_health.expected is 'How many should be; none while the group is paused.';
comment on column public.hp_worker_group_health.level is 'critical, warning, unknown, inactive or healthy.';
comment on column public.hp_worker_group_health.rule is 'Which rule held: below-minimum, below-desired, not-watched, paused or fine.';
comment on column public.hp_worker_group_health.reason is 'Why, in words.';
