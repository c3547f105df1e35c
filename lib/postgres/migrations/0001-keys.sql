-- API keys, and the log of changes from which processes without notifications poll.

CREATE TABLE changes (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  -- Polling compares transactions, because sequence numbers are not assigned in commit order.
  tx xid8 NOT NULL DEFAULT pg_current_xact_id(),
  at timestamptz NOT NULL DEFAULT now(),
  entity text NOT NULL,
  id text NOT NULL
);
CREATE INDEX changes_tx ON changes (tx);
CREATE INDEX changes_at ON changes (at);

-- Arguments: the entity, and the column with its id. Notifies the channel fast_litellm_<entity>.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  changed_id text := CASE TG_OP WHEN 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END ->> TG_ARGV[1];
BEGIN
  INSERT INTO changes (entity, id) VALUES (TG_ARGV[0], changed_id);
  PERFORM pg_notify('fast_litellm_' || TG_ARGV[0], changed_id);
  RETURN NULL;
END $function$;

-- Columns for what is searched; `record` is the whole record.
CREATE TABLE keys (
  public_id text PRIMARY KEY,
  alias text CONSTRAINT keys_alias_unique UNIQUE,
  user_id text,
  team_id text,
  organization_id text,
  hashes text[] NOT NULL,
  expires_at timestamptz,
  blocked boolean NOT NULL DEFAULT false,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX keys_created ON keys (created_at DESC, public_id);
CREATE INDEX keys_user ON keys (user_id, created_at DESC, public_id) WHERE user_id IS NOT NULL;
CREATE INDEX keys_team ON keys (team_id, created_at DESC, public_id) WHERE team_id IS NOT NULL;
CREATE INDEX keys_organization ON keys (organization_id, created_at DESC, public_id) WHERE organization_id IS NOT NULL;
CREATE INDEX keys_blocked ON keys (created_at DESC, public_id) WHERE blocked;
CREATE INDEX keys_expiring ON keys (expires_at) WHERE expires_at IS NOT NULL AND NOT blocked;
CREATE INDEX keys_hashes ON keys USING gin (hashes);

CREATE TRIGGER keys_changed AFTER INSERT OR UPDATE OR DELETE ON keys
  FOR EACH ROW EXECUTE FUNCTION note_change('keys', 'public_id');
