-- What the admin API adds to the configuration: models, credentials and settings. `record` is the whole row; secrets in it are
-- encrypted one by one.

CREATE TABLE configuration (
  -- `models`, `credentials` or `settings`.
  entity text NOT NULL,
  id text NOT NULL,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL,
  PRIMARY KEY (entity, id)
);

CREATE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE ON configuration
  FOR EACH ROW EXECUTE FUNCTION note_change('configuration', 'id');
