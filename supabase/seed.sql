-- The five sample workers, declared before any of them has reported: the page shows them as unknown until they do.
insert into public.hp_worker_status (worker_name, worker_type, description) values
  ('roundtable-worker', 'content', 'Conversation orchestration'),
  ('x-autopost', 'content', 'Tweet publishing'),
  ('analyze-worker', 'research', 'Analysis tasks'),
  ('content-worker', 'content', 'Content creation'),
  ('crawl-worker', 'research', 'Web crawling')
on conflict (worker_name) do nothing;

-- The two groups that they make. No desired count: that is for replicas, each of these is expected by its name.
insert into public.hp_worker_group (worker_type, minimum, description)
select v.worker_type, v.minimum, v.description
from (values
  ('content', 2, 'Talks, writes and publishes'),
  ('research', 1, 'Reads and measures')) v (worker_type, minimum, description)
-- note: not "on conflict do nothing", which draws a revision all the same.
where not exists (select from public.hp_worker_group g where g.worker_type = v.worker_type);
