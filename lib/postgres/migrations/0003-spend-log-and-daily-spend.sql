-- The spend log: one row for each call to a model, and what calls add up to by day.
-- Money is in nano-USD (billionths of a USD). Times are when the call started, so that a row that
-- is sent twice is the same row: a unique index needs the key of the partitions.

CREATE TABLE calls (
  id text NOT NULL,
  started_at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  ttft_ms integer,
  operation text NOT NULL,
  stream boolean NOT NULL,
  -- As requested; `model_group` answered.
  model text NOT NULL,
  model_group text,
  deployment_id text,
  provider text,
  upstream_model text,
  key_id text,
  key_alias text,
  user_id text,
  team_id text,
  organization_id text,
  end_user text,
  tags text[] NOT NULL DEFAULT '{}',
  session_id text,
  request_id text,
  ip text,
  -- `success`, `failure`, `cancelled`, `denied`
  status text NOT NULL,
  error_kind text,
  error_code text,
  http_status smallint,
  prompt_tokens bigint NOT NULL DEFAULT 0,
  completion_tokens bigint NOT NULL DEFAULT 0,
  cache_read_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens bigint NOT NULL DEFAULT 0,
  reasoning_tokens bigint NOT NULL DEFAULT 0,
  -- NULL: no price is known. The costs add up to it.
  nano_usd bigint,
  cost_input bigint NOT NULL DEFAULT 0,
  cost_output bigint NOT NULL DEFAULT 0,
  cost_cache_read bigint NOT NULL DEFAULT 0,
  cost_cache_write bigint NOT NULL DEFAULT 0,
  cost_other bigint NOT NULL DEFAULT 0,
  saved_nano_usd bigint NOT NULL DEFAULT 0,
  cache_status text NOT NULL DEFAULT 'off',
  is_estimated boolean NOT NULL DEFAULT false,
  attempts smallint NOT NULL DEFAULT 0,
  metadata jsonb NOT NULL DEFAULT '{}',
  process_id text NOT NULL,
  PRIMARY KEY (id, started_at)
) PARTITION BY RANGE (started_at);

CREATE INDEX calls_started ON calls (started_at DESC, id);
CREATE INDEX calls_key ON calls (key_id, started_at DESC) WHERE key_id IS NOT NULL;
CREATE INDEX calls_user ON calls (user_id, started_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX calls_team ON calls (team_id, started_at DESC) WHERE team_id IS NOT NULL;
CREATE INDEX calls_organization ON calls (organization_id, started_at DESC) WHERE organization_id IS NOT NULL;
CREATE INDEX calls_end_user ON calls (end_user, started_at DESC) WHERE end_user IS NOT NULL;
CREATE INDEX calls_session ON calls (session_id, started_at DESC) WHERE session_id IS NOT NULL;
CREATE INDEX calls_request ON calls (request_id) WHERE request_id IS NOT NULL;
CREATE INDEX calls_model_group ON calls (model_group, started_at DESC);
CREATE INDEX calls_failed ON calls (started_at DESC, id) WHERE status <> 'success';
CREATE INDEX calls_tags ON calls USING gin (tags) WHERE tags <> '{}';

-- The attempts of a call: retries and fallbacks.
CREATE TABLE call_attempts (
  call_id text NOT NULL,
  -- The call's.
  started_at timestamptz NOT NULL,
  number smallint NOT NULL,
  attempt_started_at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  ttft_ms integer,
  model_group text NOT NULL,
  deployment_id text NOT NULL,
  provider text NOT NULL,
  upstream_model text NOT NULL,
  api_base_host text,
  status text NOT NULL,
  error_kind text,
  error_code text,
  http_status smallint,
  prompt_tokens bigint NOT NULL DEFAULT 0,
  completion_tokens bigint NOT NULL DEFAULT 0,
  cache_read_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens bigint NOT NULL DEFAULT 0,
  reasoning_tokens bigint NOT NULL DEFAULT 0,
  nano_usd bigint,
  cost_input bigint NOT NULL DEFAULT 0,
  cost_output bigint NOT NULL DEFAULT 0,
  cost_cache_read bigint NOT NULL DEFAULT 0,
  cost_cache_write bigint NOT NULL DEFAULT 0,
  cost_other bigint NOT NULL DEFAULT 0,
  is_estimated boolean NOT NULL DEFAULT false,
  PRIMARY KEY (call_id, started_at, number)
) PARTITION BY RANGE (started_at);

-- What was asked and answered, if the app wants it to be kept.
CREATE TABLE call_bodies (
  call_id text NOT NULL,
  started_at timestamptz NOT NULL,
  request jsonb,
  answer jsonb,
  PRIMARY KEY (call_id, started_at)
) PARTITION BY RANGE (started_at);

-- Sums by day (UTC). Each call counts once for `all` and once for each of its key, team, user,
-- end_user, organization, model (upstream) and tags. Empty texts instead of NULL, because NULLs
-- never conflict.
CREATE TABLE daily_spend (
  day date NOT NULL,
  dimension text NOT NULL,
  entity text NOT NULL,
  key_id text NOT NULL DEFAULT '',
  model_group text NOT NULL DEFAULT '',
  provider text NOT NULL DEFAULT '',
  operation text NOT NULL DEFAULT '',
  requests bigint NOT NULL DEFAULT 0,
  successes bigint NOT NULL DEFAULT 0,
  failures bigint NOT NULL DEFAULT 0,
  prompt_tokens bigint NOT NULL DEFAULT 0,
  completion_tokens bigint NOT NULL DEFAULT 0,
  cache_read_tokens bigint NOT NULL DEFAULT 0,
  cache_write_tokens bigint NOT NULL DEFAULT 0,
  nano_usd bigint NOT NULL DEFAULT 0,
  saved_nano_usd bigint NOT NULL DEFAULT 0,
  duration_ms bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (dimension, entity, day, key_id, model_group, provider, operation)
);
CREATE INDEX daily_spend_day ON daily_spend (dimension, day);
CREATE INDEX daily_spend_key ON daily_spend (key_id, day);

-- Creates the partitions of the month of a time, unless they exist. Attaching a table locks out
-- neither readers nor writers.
CREATE FUNCTION create_spend_month(at timestamptz) RETURNS void
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  first timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
  suffix text := to_char(first, '_YYYY_MM');
  parent text;
BEGIN
  IF to_regclass('call_bodies' || suffix) IS NOT NULL THEN
    RETURN;
  END IF;
  PERFORM pg_advisory_xact_lock(hashtext('fast_litellm'), hashtext(current_schema()::text));
  FOREACH parent IN ARRAY ARRAY['calls', 'call_attempts', 'call_bodies'] LOOP
    IF to_regclass(parent || suffix) IS NULL THEN
      EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)', parent || suffix, parent);
      EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, parent || suffix,
        to_char(first, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(first + interval '1 month', 'YYYY-MM-DD') || ' 00:00:00+00');
    END IF;
  END LOOP;
END $function$;

-- Inserts the calls of a list that are not there yet, and adds them to the sums. One transaction
-- with them, so that a list that is sent again after its answer was lost counts once. Returns the
-- number of new calls.
CREATE FUNCTION write_calls(batch jsonb) RETURNS integer LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  month timestamptz;
  written integer;
BEGIN
  FOR month IN SELECT DISTINCT date_trunc('month', to_timestamp((r->>'started_at')::float8 / 1000) AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    FROM jsonb_array_elements(batch) AS r
  LOOP
    PERFORM create_spend_month(month);
  END LOOP;

  WITH given AS MATERIALIZED (
    SELECT to_timestamp(r.started_at / 1000) AS at, r.*
    FROM jsonb_to_recordset(batch) AS r(
      id text, started_at float8, duration_ms integer, ttft_ms integer, operation text, stream boolean, model text,
      model_group text, deployment_id text, provider text, upstream_model text, key_id text, key_alias text, user_id text,
      team_id text, organization_id text, end_user text, tags text[], session_id text, request_id text, ip text, status text,
      error_kind text, error_code text, http_status smallint, prompt_tokens bigint, completion_tokens bigint,
      cache_read_tokens bigint, cache_write_tokens bigint, reasoning_tokens bigint, nano_usd bigint, cost_input bigint,
      cost_output bigint, cost_cache_read bigint, cost_cache_write bigint, cost_other bigint, saved_nano_usd bigint,
      cache_status text, is_estimated boolean, metadata jsonb, process_id text, attempts jsonb, attempt_after_ms integer, attempt_ms integer, request jsonb,
      answer jsonb)
  ), new_calls AS (
    INSERT INTO calls (id, started_at, duration_ms, ttft_ms, operation, stream, model, model_group, deployment_id, provider,
      upstream_model, key_id, key_alias, user_id, team_id, organization_id, end_user, tags, session_id, request_id, ip, status,
      error_kind, error_code, http_status, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens,
      reasoning_tokens, nano_usd, cost_input, cost_output, cost_cache_read, cost_cache_write, cost_other, saved_nano_usd,
      cache_status, is_estimated, attempts, metadata, process_id)
    SELECT id, at, duration_ms, ttft_ms, operation, coalesce(stream, false), model, model_group, deployment_id, provider,
      upstream_model, key_id, key_alias, user_id, team_id, organization_id, end_user, coalesce(tags, '{}'), session_id,
      request_id, ip, status, error_kind, error_code, http_status, coalesce(prompt_tokens, 0), coalesce(completion_tokens, 0),
      coalesce(cache_read_tokens, 0), coalesce(cache_write_tokens, 0), coalesce(reasoning_tokens, 0), nano_usd,
      coalesce(cost_input, 0), coalesce(cost_output, 0), coalesce(cost_cache_read, 0), coalesce(cost_cache_write, 0),
      coalesce(cost_other, 0), coalesce(saved_nano_usd, 0), coalesce(cache_status, 'off'), coalesce(is_estimated, false),
      coalesce(jsonb_array_length(attempts), CASE WHEN attempt_ms IS NULL THEN 0 ELSE 1 END), coalesce(metadata, '{}'), process_id
    FROM given ORDER BY id
    ON CONFLICT (id, started_at) DO NOTHING
    RETURNING *
  ), new_attempts AS (
    INSERT INTO call_attempts (call_id, started_at, number, attempt_started_at, duration_ms, ttft_ms, model_group, deployment_id,
      provider, upstream_model, api_base_host, status, error_kind, error_code, http_status, prompt_tokens, completion_tokens,
      cache_read_tokens, cache_write_tokens, reasoning_tokens, nano_usd, cost_input, cost_output, cost_cache_read,
      cost_cache_write, cost_other, is_estimated)
    SELECT given.id, given.at, a.number, to_timestamp(a.started_at / 1000), a.duration_ms, a.ttft_ms, a.model_group,
      a.deployment_id, a.provider, a.upstream_model, a.api_base_host, a.status, a.error_kind, a.error_code, a.http_status,
      coalesce(a.prompt_tokens, 0), coalesce(a.completion_tokens, 0), coalesce(a.cache_read_tokens, 0),
      coalesce(a.cache_write_tokens, 0), coalesce(a.reasoning_tokens, 0), a.nano_usd, coalesce(a.cost_input, 0),
      coalesce(a.cost_output, 0), coalesce(a.cost_cache_read, 0), coalesce(a.cost_cache_write, 0), coalesce(a.cost_other, 0),
      coalesce(a.is_estimated, false)
    FROM given
    JOIN new_calls ON new_calls.id = given.id AND new_calls.started_at = given.at
    CROSS JOIN LATERAL (
      SELECT * FROM jsonb_to_recordset(given.attempts) AS a(
        number smallint, started_at float8, duration_ms integer, ttft_ms integer, model_group text, deployment_id text,
        provider text, upstream_model text, api_base_host text, status text, error_kind text, error_code text,
        http_status smallint, prompt_tokens bigint, completion_tokens bigint, cache_read_tokens bigint,
        cache_write_tokens bigint, reasoning_tokens bigint, nano_usd bigint, cost_input bigint, cost_output bigint,
        cost_cache_read bigint, cost_cache_write bigint, cost_other bigint, is_estimated boolean)
      UNION ALL
      -- Most calls succeed at once: their attempt has the figures of the call.
      SELECT 1, given.started_at + given.attempt_after_ms, given.attempt_ms, given.ttft_ms - given.attempt_after_ms,
        given.model_group, given.deployment_id, given.provider, given.upstream_model, given.metadata->>'api_base_host',
        given.status, given.error_kind, given.error_code, given.http_status, given.prompt_tokens, given.completion_tokens,
        given.cache_read_tokens, given.cache_write_tokens, given.reasoning_tokens, given.nano_usd, given.cost_input,
        given.cost_output, given.cost_cache_read, given.cost_cache_write, given.cost_other, given.is_estimated
      WHERE given.attempt_ms IS NOT NULL
    ) AS a
    ON CONFLICT (call_id, started_at, number) DO NOTHING
  ), new_bodies AS (
    INSERT INTO call_bodies (call_id, started_at, request, answer)
    SELECT given.id, given.at, given.request, given.answer
    FROM given
    JOIN new_calls ON new_calls.id = given.id AND new_calls.started_at = given.at
    WHERE given.request IS NOT NULL OR given.answer IS NOT NULL
    ON CONFLICT (call_id, started_at) DO NOTHING
  ), counted AS (
    SELECT (c.started_at AT TIME ZONE 'UTC')::date AS day, of.dimension, of.entity, coalesce(c.key_id, '') AS key_id,
      coalesce(c.model_group, '') AS model_group, coalesce(c.provider, '') AS provider, c.operation,
      count(*) AS requests, count(*) FILTER (WHERE c.status = 'success') AS successes,
      count(*) FILTER (WHERE c.status <> 'success') AS failures, sum(c.prompt_tokens) AS prompt_tokens,
      sum(c.completion_tokens) AS completion_tokens, sum(c.cache_read_tokens) AS cache_read_tokens,
      sum(c.cache_write_tokens) AS cache_write_tokens, coalesce(sum(c.nano_usd), 0) AS nano_usd,
      sum(c.saved_nano_usd) AS saved_nano_usd, sum(c.duration_ms) AS duration_ms
    FROM new_calls AS c
    CROSS JOIN LATERAL (
      VALUES ('all', ''), ('key', c.key_id), ('team', c.team_id), ('user', c.user_id), ('end_user', c.end_user),
        ('organization', c.organization_id), ('model', coalesce(c.upstream_model, c.model))
      UNION
      SELECT 'tag', tag FROM unnest(c.tags) AS tag
    ) AS of(dimension, entity)
    WHERE of.entity IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7
  ), summed AS (
    INSERT INTO daily_spend AS d (day, dimension, entity, key_id, model_group, provider, operation, requests, successes, failures,
      prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms)
    -- Every process locks rows in this order: they wait for each other, but never in a circle.
    SELECT * FROM counted ORDER BY dimension, entity, day, key_id, model_group, provider, operation
    ON CONFLICT (dimension, entity, day, key_id, model_group, provider, operation) DO UPDATE SET
      requests = d.requests + excluded.requests,
      successes = d.successes + excluded.successes,
      failures = d.failures + excluded.failures,
      prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = d.completion_tokens + excluded.completion_tokens,
      cache_read_tokens = d.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
      nano_usd = d.nano_usd + excluded.nano_usd,
      saved_nano_usd = d.saved_nano_usd + excluded.saved_nano_usd,
      duration_ms = d.duration_ms + excluded.duration_ms
  )
  SELECT count(*) INTO written FROM new_calls;
  RETURN written;
END $function$;

-- Retention: drops the partitions of months that ended before a time, and returns their names.
-- Sums by day stay.
CREATE FUNCTION drop_spend_before(before_time timestamptz) RETURNS SETOF text
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '5s' AS $function$
DECLARE
  part record;
BEGIN
  -- Processes that start together drop one after the other.
  PERFORM pg_advisory_xact_lock(hashtext('fast_litellm'), hashtext(current_schema()::text));
  FOR part IN
    SELECT c.relname::text AS name
    FROM pg_inherits AS i
    JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent IN (to_regclass('calls'), to_regclass('call_attempts'), to_regclass('call_bodies'))
      AND c.relname ~ '_\d{4}_\d\d$'
      AND (to_date(right(c.relname, 7), 'YYYY_MM') + interval '1 month') AT TIME ZONE 'UTC' <= before_time
    ORDER BY right(c.relname, 7), c.relname
  LOOP
    EXECUTE format('DROP TABLE %I', part.name);
    RETURN NEXT part.name;
  END LOOP;
END $function$;

-- Deletes at most `most` calls of a user, an end user or a key, with their attempts and bodies;
-- call it until it returns 0. The last time it deletes their own sums, too. Sums of teams, models
-- and all calls stay, without the key.
CREATE FUNCTION delete_spend_of(what text, value text, most integer) RETURNS integer
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  deleted integer;
BEGIN
  IF what NOT IN ('key', 'user', 'end_user') THEN
    RAISE EXCEPTION 'delete_spend_of: must be key, user or end_user, got %', what USING ERRCODE = 'invalid_parameter_value';
  END IF;
  EXECUTE format($statement$
    WITH doomed AS MATERIALIZED (SELECT id, started_at FROM calls WHERE %I = $1 LIMIT $2),
      bodies AS (DELETE FROM call_bodies AS b USING doomed AS d WHERE b.call_id = d.id AND b.started_at = d.started_at),
      attempts AS (DELETE FROM call_attempts AS a USING doomed AS d WHERE a.call_id = d.id AND a.started_at = d.started_at),
      removed AS (DELETE FROM calls AS c USING doomed AS d WHERE c.id = d.id AND c.started_at = d.started_at RETURNING 1)
    SELECT count(*) FROM removed $statement$,
    CASE what WHEN 'key' THEN 'key_id' WHEN 'user' THEN 'user_id' ELSE 'end_user' END) INTO deleted USING value, most;
  IF deleted > 0 THEN
    RETURN deleted;
  END IF;
  DELETE FROM daily_spend WHERE dimension = what AND entity = value;
  IF what = 'key' THEN
    WITH moved AS (
      DELETE FROM daily_spend WHERE key_id = value RETURNING *
    )
    INSERT INTO daily_spend AS d (day, dimension, entity, key_id, model_group, provider, operation, requests, successes, failures,
      prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms)
    SELECT day, dimension, entity, '', model_group, provider, operation, requests, successes, failures, prompt_tokens,
      completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms
    FROM moved ORDER BY dimension, entity, day, model_group, provider, operation
    ON CONFLICT (dimension, entity, day, key_id, model_group, provider, operation) DO UPDATE SET
      requests = d.requests + excluded.requests,
      successes = d.successes + excluded.successes,
      failures = d.failures + excluded.failures,
      prompt_tokens = d.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = d.completion_tokens + excluded.completion_tokens,
      cache_read_tokens = d.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_tokens = d.cache_write_tokens + excluded.cache_write_tokens,
      nano_usd = d.nano_usd + excluded.nano_usd,
      saved_nano_usd = d.saved_nano_usd + excluded.saved_nano_usd,
      duration_ms = d.duration_ms + excluded.duration_ms;
  END IF;
  RETURN 0;
END $function$;

REVOKE EXECUTE ON FUNCTION create_spend_month(timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION drop_spend_before(timestamptz) FROM PUBLIC;
REVOKE EXECUTE ON FUNCTION delete_spend_of(text, text, integer) FROM PUBLIC;

SELECT create_spend_month(now() + months * interval '1 month') FROM generate_series(0, 2) AS months;
