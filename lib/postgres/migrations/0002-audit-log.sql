-- Who changed what, when and through which request. Rows are only added.

CREATE TABLE audit_log (
  id uuid PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT now(),
  -- Public id of a key, `master`, `app`, or a name that the app has given.
  actor text NOT NULL,
  address text,
  action text NOT NULL,
  entity text NOT NULL,
  entity_id text NOT NULL,
  before jsonb,
  after jsonb,
  request_id text
);
CREATE INDEX audit_log_at ON audit_log (at DESC, id);
CREATE INDEX audit_log_entity ON audit_log (entity, entity_id, at DESC, id);
CREATE INDEX audit_log_entity_id ON audit_log (entity_id, at DESC, id);
CREATE INDEX audit_log_actor ON audit_log (actor, at DESC, id);

CREATE FUNCTION keep_audit_log() RETURNS trigger LANGUAGE plpgsql AS $function$
BEGIN
  IF TG_OP = 'DELETE' AND current_setting('fast_litellm.audit_retention', true) = 'on' THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'audit_log: % is not allowed; rows are only added', TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'delete_audit_log_before(timestamptz) removes old rows.';
END $function$;

CREATE TRIGGER audit_log_rows BEFORE UPDATE OR DELETE ON audit_log
  FOR EACH ROW EXECUTE FUNCTION keep_audit_log();
CREATE TRIGGER audit_log_table BEFORE TRUNCATE ON audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_log();

-- Retention: removes the rows before a time, and returns how many there were.
CREATE FUNCTION delete_audit_log_before(before_time timestamptz) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $function$
DECLARE
  removed bigint;
BEGIN
  PERFORM set_config('fast_litellm.audit_retention', 'on', true);
  DELETE FROM audit_log WHERE at < before_time;
  GET DIAGNOSTICS removed = ROW_COUNT;
  PERFORM set_config('fast_litellm.audit_retention', 'off', true);
  RETURN removed;
END $function$;
REVOKE EXECUTE ON FUNCTION delete_audit_log_before(timestamptz) FROM PUBLIC;
