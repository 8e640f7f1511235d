-- A beat as it comes in (docs/wire.md), and what may be wrong with one.
--
-- Texts have a length here, for a number in the place of a text may be far longer than in its jsonb: one such field then fails,
-- before the next is read. The limits of the fields are shorter, and in hp_private.beat_problem().
do $$
begin
  if to_regtype('hp_private.beat') is null then
    create type hp_private.beat as (
      worker_name varchar(2001), instance_id uuid, sequence bigint, status varchar(2001), epoch bigint, status_reason varchar(2001),
      heartbeat_interval_s double precision, requested_interval_s double precision, uptime_ms bigint, sent_at_ms double precision,
      worker_type varchar(2001), description varchar(2001), version varchar(2001), kind varchar(2001), hostname varchar(2001), pid bigint, runtime varchar(2001), parts varchar(33)[],
      jobs_total bigint, errors_total bigint, counted_jobs bigint, counted_errors bigint,
      jobs_active integer, current_status varchar(2001), current_job_id varchar(2001), current_job_type varchar(2001), status_age_ms bigint,
      poll_interval_s double precision, last_run_age_ms bigint, last_run_duration_ms bigint,
      processed_count bigint, last_run_errors bigint, next_run_in_ms bigint, schedule varchar(2001),
      grace_s double precision, max_run_s double precision, expected boolean,
      last_error varchar(2001), last_error_age_ms bigint,
      circuit_breaker_state varchar(2001), circuit_breaker_failures integer, circuit_breaker_threshold integer,
      circuit_breaker_opened_age_ms bigint, circuit_breaker_retry_in_ms bigint, circuit_breaker_reason varchar(2001),
      cpu_percent real, memory_percent real, memory_rss_bytes bigint, event_loop_lag_ms real,
      event_loop_blocked_ms bigint, metadata jsonb, last_exit jsonb, leases bigint[],
      draining boolean, commands jsonb, logs jsonb, logs_dropped bigint
    );
  end if;
end
$$;

comment on type hp_private.beat is 'One beat; the fields are those of docs/wire.md.';

create or replace function hp_private.beat_error(field text, problem text) returns jsonb
language sql immutable set search_path = ''
return jsonb_build_object('field', field, 'message', field || ' ' || problem);

-- First field of a readable beat that breaks its rule, or null.
create or replace function hp_private.beat_problem(b hp_private.beat) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  c_statuses constant text[] := array_remove(hp_private.statuses(), 'unknown');
  v_field text;
begin
  if b.worker_name is null then
    return hp_private.beat_error('worker_name', 'is missing');
  -- note: not {0,127}, which takes a state of the automaton for every character (8 % of a batch).
  elsif b.worker_name !~ '^[A-Za-z0-9][A-Za-z0-9@:._/-]*$' or char_length(b.worker_name) > 128 then
    return hp_private.beat_error('worker_name',
      'must start with a letter or digit and hold at most 128 of letters, digits and @ : . _ / -');
  elsif b.instance_id is null then
    return hp_private.beat_error('instance_id', 'is missing');
  elsif b.sequence is null or b.sequence < 1 then
    return hp_private.beat_error('sequence', 'must be a whole number from 1 up');
  elsif b.status is null or b.status <> all (c_statuses) then
    return hp_private.beat_error('status', 'must be one of ' || array_to_string(c_statuses, ', '));
  elsif b.kind not in ('resident', 'scheduled') then
    return hp_private.beat_error('kind', 'must be resident or scheduled');
  elsif b.circuit_breaker_state not in ('closed', 'open', 'half_open') then
    return hp_private.beat_error('circuit_breaker_state', 'must be closed, open or half_open');
  elsif b.heartbeat_interval_s not between 1 and 3600 then
    return hp_private.beat_error('heartbeat_interval_s', 'must be from 1 to 3600 seconds');
  elsif b.requested_interval_s not between 1 and 3600 then
    return hp_private.beat_error('requested_interval_s', 'must be from 1 to 3600 seconds');
  elsif b.grace_s not between 0 and 31536000 then
    return hp_private.beat_error('grace_s', 'must be from 0 to 31536000 seconds');
  elsif b.max_run_s not between 1 and 31536000 then
    return hp_private.beat_error('max_run_s', 'must be from 1 to 31536000 seconds');
  elsif not (b.poll_interval_s > 0 and b.poll_interval_s <= 31536000) then
    return hp_private.beat_error('poll_interval_s', 'must be above 0 and at most 31536000 seconds');
  elsif b.circuit_breaker_threshold < 1 then
    return hp_private.beat_error('circuit_breaker_threshold', 'must be at least 1');
  elsif abs(b.sent_at_ms) > 8640000000000000 then
    return hp_private.beat_error('sent_at_ms', 'must be a time in milliseconds since 1970');
  elsif greatest(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) >= 'infinity' then
    -- A text may spell NaN or Infinity, which a column takes and JSON can't carry to a page. NaN is the greatest of all.
    v_field := case
      when b.cpu_percent >= 'infinity' then 'cpu_percent'
      when b.memory_percent >= 'infinity' then 'memory_percent'
      else 'event_loop_lag_ms'
    end;
    return hp_private.beat_error(v_field, 'must be a finite number');
  elsif jsonb_typeof(b.metadata) <> 'object' then
    return hp_private.beat_error('metadata', 'must be an object');
  elsif hp_private.json_problem(b.metadata, 65536) is not null then
    return hp_private.beat_error('metadata', hp_private.json_problem(b.metadata, 65536));
  elsif octet_length(b.metadata::text) > 8192 then
    return hp_private.beat_error('metadata', format('is %s bytes long; at most 8192', octet_length(b.metadata::text)));
  elsif cardinality(b.parts) > 16 then
    return hp_private.beat_error('parts', format('holds %s names; at most 16', cardinality(b.parts)));
  -- A name that needs quotes, or is null, doesn't match.
  elsif b.parts::text !~ '^\{([a-z0-9_-]{1,32}(,[a-z0-9_-]{1,32})*)?\}$' then
    return hp_private.beat_error('parts', 'must be names of 1 to 32 of a-z, 0-9, _ and -');
  elsif cardinality(b.leases) > 1000 then
    return hp_private.beat_error('leases', format('holds %s tokens; at most 1000', cardinality(b.leases)));
  elsif jsonb_typeof(b.last_exit) <> 'object' then
    return hp_private.beat_error('last_exit', 'must be an object');
  elsif hp_private.json_problem(b.last_exit, 32768) is not null then
    return hp_private.beat_error('last_exit', hp_private.json_problem(b.last_exit, 32768));
  elsif octet_length(b.last_exit::text) > 4096 then
    return hp_private.beat_error('last_exit', format('is %s bytes long; at most 4096', octet_length(b.last_exit::text)));
  end if;
  return hp_private.beat_excess(b);
end
$$;

-- The first of its texts that is too long or of its numbers that is out of range, or null. No duration is longer than ten years, so that
-- no arithmetic on it can overflow. The lists are walked only for a beat that breaks one of their rules.
create or replace function hp_private.beat_excess(b hp_private.beat) returns jsonb
language plpgsql immutable set search_path = ''
as $$
declare
  c_ten_years constant bigint := 315360000000;
  c_most_jobs constant bigint := 1000000000000000;
  v_field text;
  v_length integer;
  v_limit integer;
begin
  if char_length(b.status_reason) > 500 or char_length(b.worker_type) > 128 or char_length(b.description) > 500
    or char_length(b.version) > 128 or char_length(b.hostname) > 255 or char_length(b.runtime) > 128
    or char_length(b.current_status) > 500 or char_length(b.current_job_id) > 255
    or char_length(b.current_job_type) > 128 or char_length(b.schedule) > 255 or char_length(b.last_error) > 2000
    or char_length(b.circuit_breaker_reason) > 500
  then
    select l.field, char_length(to_jsonb(b) ->> l.field), l.most into v_field, v_length, v_limit
    from (values ('status_reason', 500), ('worker_type', 128), ('description', 500), ('version', 128),
      ('hostname', 255), ('runtime', 128), ('current_status', 500), ('current_job_id', 255),
      ('current_job_type', 128), ('schedule', 255), ('last_error', 2000),
      ('circuit_breaker_reason', 500)) l (field, most)
    where char_length(to_jsonb(b) ->> l.field) > l.most limit 1;
    return hp_private.beat_error(v_field, format('is %s characters long; at most %s', v_length, v_limit));
  end if;

  if least(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.jobs_active, b.pid, b.uptime_ms,
      b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.processed_count, b.last_run_errors,
      b.next_run_in_ms, b.last_error_age_ms, b.circuit_breaker_failures, b.circuit_breaker_opened_age_ms,
      b.circuit_breaker_retry_in_ms, b.memory_rss_bytes, b.event_loop_blocked_ms, b.epoch, b.logs_dropped) < 0
    or least(b.cpu_percent, b.memory_percent, b.event_loop_lag_ms) < 0
  then
    select e.key into v_field from jsonb_each_text(to_jsonb(b) - 'sent_at_ms' - 'metadata' - 'last_exit' - 'commands' - 'logs') e
    where e.value ~ '^-\d' and jsonb_typeof(to_jsonb(b) -> e.key) = 'number' limit 1;
    return hp_private.beat_error(v_field, 'must not be negative');
  end if;

  if greatest(b.uptime_ms, b.status_age_ms, b.last_run_age_ms, b.last_run_duration_ms, b.next_run_in_ms,
      b.last_error_age_ms, b.circuit_breaker_opened_age_ms, b.circuit_breaker_retry_in_ms) > c_ten_years
  then
    select f.field into v_field
    from unnest(array['uptime_ms', 'status_age_ms', 'last_run_age_ms', 'last_run_duration_ms', 'next_run_in_ms',
      'last_error_age_ms', 'circuit_breaker_opened_age_ms', 'circuit_breaker_retry_in_ms']) f (field)
    where (to_jsonb(b) ->> f.field)::bigint > c_ten_years limit 1;
    return hp_private.beat_error(v_field, format('must be at most %s (ten years)', c_ten_years));
  end if;

  if greatest(b.jobs_total, b.errors_total, b.counted_jobs, b.counted_errors, b.logs_dropped) > c_most_jobs then
    select f.field into v_field
    from unnest(array['jobs_total', 'errors_total', 'counted_jobs', 'counted_errors', 'logs_dropped']) f (field)
    where (to_jsonb(b) ->> f.field)::bigint > c_most_jobs limit 1;
    return hp_private.beat_error(v_field, format('must be at most %s', c_most_jobs));
  end if;
  return null;
end
$$;

-- Fields of a beat that are JSON and read as such.
create or replace function hp_private.json_fields() returns text[]
language sql immutable set search_path = ''
return array['metadata', 'last_exit', 'commands', 'logs'];

-- Whether the beats must be read one by one, for a field of one may be far longer as text. In 2 kB there is room for 170 numbers,
-- which take 22 MB as text.
create or replace function hp_private.may_expand(raw jsonb) returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  return pg_column_size(raw) > 2048 and exists (
    select from jsonb_array_elements(raw) e
    where pg_column_size(e.value) > 2048 and hp_private.json_problem(e.value - hp_private.json_fields(), 65536) is not null);
end
$$;

-- Why a beat can't be read at all: the field whose value has the wrong type.
create or replace function hp_private.beat_misfit(raw jsonb) returns jsonb
language plpgsql stable set search_path = ''
as $$
declare
  v_field text;
  v_value jsonb;
  -- note: those that are JSON are checked where they are read.
  v_fields constant jsonb := to_jsonb(jsonb_populate_record(null::hp_private.beat, '{}')) - hp_private.json_fields();
begin
  if jsonb_typeof(raw) <> 'object' then
    return hp_private.beat_error('beat', 'must be an object, not ' || jsonb_typeof(raw));
  end if;
  for v_field, v_value in select e.key, e.value from jsonb_each(raw) e loop
    continue when not v_fields ? v_field;
    if jsonb_typeof(v_value) = 'string' and char_length(v_value #>> '{}') > 2000 then
      return hp_private.beat_error(v_field, format('is %s characters long; no text of a beat has more than 2000',
        char_length(v_value #>> '{}')));
    elsif jsonb_typeof(v_value) <> 'string' and hp_private.json_problem(v_value, 65536) is not null then
      return hp_private.beat_error(v_field, hp_private.json_problem(v_value, 65536));
    end if;
    begin
      perform jsonb_populate_record(null::hp_private.beat, jsonb_build_object(v_field, v_value));
    exception when others then
      return hp_private.beat_error(v_field, format('can''t be read: %s', left(sqlerrm, 200)));
    end;
  end loop;
  return null;
end
$$;

-- What one beat is answered whose field is wrong. error: that of hp_private.beat_error().
create or replace function hp_private.refusal(worker_name text, error jsonb) returns jsonb
language sql immutable set search_path = ''
return jsonb_build_object('worker_name', worker_name, 'ok', false, 'error', error);

-- The same where a request holds a beat that can't be read: one by one, with the answers of those that are refused.
create or replace function hp_private.read_each_beat(raw jsonb, out beats hp_private.beat[], out answers jsonb[])
language plpgsql set search_path = ''
as $$
declare
  v_place bigint;
  v_raw jsonb;
  v_beat hp_private.beat;
  v_misfit jsonb;
begin
  answers := array_fill(null::jsonb, array[jsonb_array_length(raw)]);
  for v_raw, v_place in select r.value, r.ordinality from jsonb_array_elements(raw) with ordinality r loop
    v_misfit := hp_private.beat_misfit(v_raw);
    v_beat := null;
    if v_misfit is null then
      v_beat := jsonb_populate_record(null::hp_private.beat, v_raw);
    else
      if jsonb_typeof(v_raw -> 'worker_name') = 'string' then
        v_beat.worker_name := left(v_raw ->> 'worker_name', 128);
      end if;
      answers[v_place] := hp_private.refusal(v_beat.worker_name, v_misfit);
    end if;
    beats[v_place] := v_beat;
  end loop;
end
$$;

-- Reads the beats of a request; whether they are in range is for hp_private.refuse_beats(). Nearly always all of them can be
-- read, so they are read together. answers: null, or as many as there are beats, with those of the refused. repeats: whether
-- a worker is named twice. Errors: PT400 not an array of 1 to 1,000.
create or replace function hp_private.read_beats(
  raw jsonb, out beats hp_private.beat[], out answers jsonb[], out repeats boolean, out leases boolean, out more boolean
)
language plpgsql set search_path = ''
as $$
declare
  v_count constant integer := case when jsonb_typeof(raw) = 'array' then jsonb_array_length(raw) end;
  v_beat hp_private.beat;
begin
  if v_count is null then
    raise exception 'beats is %; it must be an array of 1 to 1000 beats', coalesce(jsonb_typeof(raw), 'missing')
      using errcode = 'PT400';
  elsif v_count not between 1 and 1000 then
    raise exception 'beats holds % beats; it must hold 1 to 1000', v_count using errcode = 'PT400';
  end if;
  begin
    if hp_private.may_expand(raw) then
      raise exception using errcode = 'PT400';
    end if;
    -- Most calls bring one: without a query this takes half of the time.
    if v_count = 1 then
      v_beat := jsonb_populate_record(null::hp_private.beat, raw -> 0);
      beats := array[v_beat];
      repeats := false;
      leases := v_beat.leases is not null;
      more := num_nonnulls(v_beat.commands, v_beat.logs) > 0;
      return;
    end if;
    beats := (select array_agg(b) from jsonb_populate_recordset(null::hp_private.beat, raw) b);
  exception when others then
    select r.beats, r.answers into read_beats.beats, read_beats.answers from hp_private.read_each_beat(raw) r;
  end;
  select count(distinct b.worker_name) < count(b.worker_name), bool_or(b.leases is not null),
    bool_or(num_nonnulls(b.commands, b.logs) > 0)
  into repeats, leases, more
  from unnest(beats) b;
end
$$;

-- Refuses the beats that are out of range, or of names that the caller may not speak for: answers them, and takes them out of
-- beats. Every beat comes by here before it is applied, but for those that hp_private.apply_steady() takes.
create or replace function hp_private.refuse_beats(
  inout beats hp_private.beat[], inout answers jsonb[], names_like text
)
language plpgsql set search_path = ''
as $$
declare
  v_beat hp_private.beat;
  v_error jsonb;
begin
  for v_place in 1 .. cardinality(answers) loop
    v_beat := beats[v_place];
    if answers[v_place] is null then
      if v_beat.status = 'active' then
        v_beat.status := 'processing';
        beats[v_place] := v_beat;
      end if;
      v_error := hp_private.beat_problem(v_beat);
      if v_error is null and v_beat.worker_name not like names_like then
        v_error := hp_private.beat_error('worker_name',
          format('is outside of what the worker token is for, %s', replace(names_like, '\_', '_')));
      end if;
      continue when v_error is null;
      answers[v_place] := hp_private.refusal(v_beat.worker_name, v_error);
    end if;
    if not (answers[v_place] ->> 'ok')::boolean then
      beats[v_place] := null;
    end if;
  end loop;
end
$$;

-- Whether the caller may speak for none of these beats.
create or replace function hp_private.all_foreign(beats hp_private.beat[], names_like text) returns boolean
language plpgsql immutable set search_path = ''
as $$
begin
  for v_place in 1 .. cardinality(beats) loop
    if (beats[v_place].worker_name not like names_like) is not true then
      return false;
    end if;
  end loop;
  return true;
end
$$;

revoke all on function
  hp_private.beat_error, hp_private.beat_problem, hp_private.beat_excess, hp_private.json_fields, hp_private.may_expand, hp_private.beat_misfit,
  hp_private.refusal, hp_private.read_each_beat,
  hp_private.read_beats, hp_private.refuse_beats, hp_private.all_foreign
from public;

comment on function hp_private.beat_error is 'The error of one beat, as its answer carries it.';
comment on function hp_private.beat_problem is 'What is out of range in a beat, or null.';
comment on function hp_private.beat_excess is 'Which text of a beat is too long or which number out of range, or null.';
comment on function hp_private.json_fields is 'The fields of a beat that are JSON.';
comment on function hp_private.may_expand is 'Whether the beats of a request must be read one by one, because one may be far longer as text.';
comment on function hp_private.beat_misfit is 'What has the wrong type in a beat, or null.';
comment on function hp_private.refusal is 'The answer of a beat that is refused.';
comment on function hp_private.read_each_beat is 'Beats of a request of which some can''t be read, and the answers of these.';
comment on function hp_private.read_beats is 'Beats of a request, the answers of those that can''t be read, and what they bring besides.';
comment on function hp_private.refuse_beats is 'Refuses the beats that are out of range or of foreign names.';
comment on function hp_private.all_foreign is 'Whether no beat is of a name that the caller may speak for.';
