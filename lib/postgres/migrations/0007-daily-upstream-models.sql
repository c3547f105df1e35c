-- Sums by day also have the upstream model, for reports of teams, users, tags and keys by model.
-- Rows of earlier days keep an empty text: readers show the model group in its place. Nothing is
-- filled in from `calls`, which retention may have dropped, and which takes long on a large table.

ALTER TABLE daily_spend ADD COLUMN upstream_model text NOT NULL DEFAULT '';
ALTER TABLE daily_spend DROP CONSTRAINT daily_spend_pkey,
  ADD PRIMARY KEY (dimension, entity, day, key_id, model_group, provider, operation, upstream_model);

-- Sums stop at the largest bigint: absurd prices must not reject the other calls of a day.

-- Adds two sums.
CREATE FUNCTION spend_add(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT CASE WHEN b > 9223372036854775807 - greatest(a, 0) THEN 9223372036854775807 ELSE a + b END';

-- The sum of a batch; 0 for none.
CREATE FUNCTION spend_sum(total numeric) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT least(coalesce(total, 0), 9223372036854775807)::bigint';

-- Inserts the calls of a list that are not there yet, and adds them to the sums. One transaction
-- with them, so that a list that is sent again after its answer was lost counts once. Returns the
-- number of new calls, and of sums among theirs that have reached the largest bigint.
CREATE FUNCTION record_calls(batch jsonb, OUT written integer, OUT full_sums integer) LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  month timestamptz;
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
      -- Clients choose the names of models that no deployment has.
      coalesce(c.upstream_model, '') AS upstream_model,
      count(*) AS requests, count(*) FILTER (WHERE c.status = 'success') AS successes,
      count(*) FILTER (WHERE c.status <> 'success') AS failures, spend_sum(sum(c.prompt_tokens)) AS prompt_tokens,
      spend_sum(sum(c.completion_tokens)) AS completion_tokens, spend_sum(sum(c.cache_read_tokens)) AS cache_read_tokens,
      spend_sum(sum(c.cache_write_tokens)) AS cache_write_tokens, spend_sum(sum(c.nano_usd)) AS nano_usd,
      spend_sum(sum(c.saved_nano_usd)) AS saved_nano_usd, sum(c.duration_ms) AS duration_ms
    FROM new_calls AS c
    CROSS JOIN LATERAL (
      VALUES ('all', ''), ('key', c.key_id), ('team', c.team_id), ('user', c.user_id), ('end_user', c.end_user),
        ('organization', c.organization_id), ('model', coalesce(c.upstream_model, c.model))
      UNION
      SELECT 'tag', tag FROM unnest(c.tags) AS tag
    ) AS of(dimension, entity)
    WHERE of.entity IS NOT NULL
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
  ), summed AS (
    INSERT INTO daily_spend AS d (day, dimension, entity, key_id, model_group, provider, operation, upstream_model, requests, successes, failures,
      prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms)
    -- Every process locks rows in this order: they wait for each other, but never in a circle.
    SELECT * FROM counted ORDER BY dimension, entity, day, key_id, model_group, provider, operation, upstream_model
    ON CONFLICT (dimension, entity, day, key_id, model_group, provider, operation, upstream_model) DO UPDATE SET
      requests = d.requests + excluded.requests,
      successes = d.successes + excluded.successes,
      failures = d.failures + excluded.failures,
      prompt_tokens = spend_add(d.prompt_tokens, excluded.prompt_tokens),
      completion_tokens = spend_add(d.completion_tokens, excluded.completion_tokens),
      cache_read_tokens = spend_add(d.cache_read_tokens, excluded.cache_read_tokens),
      cache_write_tokens = spend_add(d.cache_write_tokens, excluded.cache_write_tokens),
      nano_usd = spend_add(d.nano_usd, excluded.nano_usd),
      saved_nano_usd = spend_add(d.saved_nano_usd, excluded.saved_nano_usd),
      duration_ms = spend_add(d.duration_ms, excluded.duration_ms)
    RETURNING nano_usd
  )
  SELECT (SELECT count(*) FROM new_calls), (SELECT count(*) FROM summed WHERE nano_usd = 9223372036854775807) INTO written, full_sums;
END $function$;

-- For processes of an older version. Returns the number of new calls.
CREATE OR REPLACE FUNCTION write_calls(batch jsonb) RETURNS integer LANGUAGE sql SET search_path FROM CURRENT AS
  'SELECT written FROM record_calls(batch)';

-- As before, with the new column.
CREATE OR REPLACE FUNCTION delete_spend_of(what text, value text, most integer) RETURNS integer
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
    INSERT INTO daily_spend AS d (day, dimension, entity, key_id, model_group, provider, operation, upstream_model, requests, successes, failures,
      prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms)
    SELECT day, dimension, entity, '', model_group, provider, operation, upstream_model, requests, successes, failures, prompt_tokens,
      completion_tokens, cache_read_tokens, cache_write_tokens, nano_usd, saved_nano_usd, duration_ms
    FROM moved ORDER BY dimension, entity, day, model_group, provider, operation, upstream_model
    ON CONFLICT (dimension, entity, day, key_id, model_group, provider, operation, upstream_model) DO UPDATE SET
      requests = d.requests + excluded.requests,
      successes = d.successes + excluded.successes,
      failures = d.failures + excluded.failures,
      prompt_tokens = spend_add(d.prompt_tokens, excluded.prompt_tokens),
      completion_tokens = spend_add(d.completion_tokens, excluded.completion_tokens),
      cache_read_tokens = spend_add(d.cache_read_tokens, excluded.cache_read_tokens),
      cache_write_tokens = spend_add(d.cache_write_tokens, excluded.cache_write_tokens),
      nano_usd = spend_add(d.nano_usd, excluded.nano_usd),
      saved_nano_usd = spend_add(d.saved_nano_usd, excluded.saved_nano_usd),
      duration_ms = spend_add(d.duration_ms, excluded.duration_ms);
  END IF;
  RETURN 0;
END $function$;
