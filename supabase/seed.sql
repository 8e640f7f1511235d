-- The five sample workers, declared before any of them has reported: the page shows them as unknown until they do.
insert into public.hp_worker_status (worker_name, description) values
  ('roundtable-worker', 'Conversation orchestration'),
  ('x-autopost', 'Tweet publishing'),
  ('analyze-worker', 'Analysis tasks'),
  ('content-worker', 'Content creation'),
  ('crawl-worker', 'Web crawling')
on conflict (worker_name) do nothing;
