-- Teams, users, members, budgets, customers (end users) and organizations. Columns for what is
-- searched; `record` is the whole record.

CREATE TABLE budgets (
  id text PRIMARY KEY,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX budgets_created ON budgets (created_at DESC, id);

CREATE TABLE organizations (
  id text PRIMARY KEY,
  alias text,
  budget_id text,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX organizations_created ON organizations (created_at DESC, id);
CREATE INDEX organizations_alias ON organizations (alias, created_at DESC, id) WHERE alias IS NOT NULL;

CREATE TABLE teams (
  id text PRIMARY KEY,
  alias text,
  organization_id text,
  budget_id text,
  blocked boolean NOT NULL DEFAULT false,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX teams_created ON teams (created_at DESC, id);
CREATE INDEX teams_alias ON teams (alias, created_at DESC, id) WHERE alias IS NOT NULL;
CREATE INDEX teams_organization ON teams (organization_id, created_at DESC, id) WHERE organization_id IS NOT NULL;

CREATE TABLE users (
  id text PRIMARY KEY,
  alias text,
  -- In lower case.
  email text,
  role text,
  budget_id text,
  blocked boolean NOT NULL DEFAULT false,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX users_created ON users (created_at DESC, id);
CREATE INDEX users_email ON users (email, created_at DESC, id) WHERE email IS NOT NULL;
CREATE INDEX users_role ON users (role, created_at DESC, id) WHERE role IS NOT NULL;

-- The id has both ids in it, encoded as in URLs, with a slash between.
CREATE TABLE team_members (
  id text PRIMARY KEY,
  team_id text NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
  user_id text NOT NULL,
  role text NOT NULL DEFAULT 'user',
  budget_id text,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX team_members_created ON team_members (created_at DESC, id);
CREATE INDEX team_members_team ON team_members (team_id, created_at DESC, id);
CREATE INDEX team_members_user ON team_members (user_id, created_at DESC, id);

CREATE TABLE customers (
  id text PRIMARY KEY,
  alias text,
  budget_id text,
  blocked boolean NOT NULL DEFAULT false,
  revision integer NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  record jsonb NOT NULL
);
CREATE INDEX customers_created ON customers (created_at DESC, id);

-- A budget that is in use is not removed.
CREATE INDEX organizations_budget ON organizations (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX teams_budget ON teams (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX users_budget ON users (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX team_members_budget ON team_members (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX customers_budget ON customers (budget_id) WHERE budget_id IS NOT NULL;
CREATE INDEX keys_budget ON keys ((record->>'budget')) WHERE record->>'budget' IS NOT NULL;

CREATE TRIGGER budgets_changed AFTER INSERT OR UPDATE OR DELETE ON budgets
  FOR EACH ROW EXECUTE FUNCTION note_change('budgets', 'id');
CREATE TRIGGER organizations_changed AFTER INSERT OR UPDATE OR DELETE ON organizations
  FOR EACH ROW EXECUTE FUNCTION note_change('organizations', 'id');
CREATE TRIGGER teams_changed AFTER INSERT OR UPDATE OR DELETE ON teams
  FOR EACH ROW EXECUTE FUNCTION note_change('teams', 'id');
CREATE TRIGGER users_changed AFTER INSERT OR UPDATE OR DELETE ON users
  FOR EACH ROW EXECUTE FUNCTION note_change('users', 'id');
CREATE TRIGGER team_members_changed AFTER INSERT OR UPDATE OR DELETE ON team_members
  FOR EACH ROW EXECUTE FUNCTION note_change('team_members', 'id');
CREATE TRIGGER customers_changed AFTER INSERT OR UPDATE OR DELETE ON customers
  FOR EACH ROW EXECUTE FUNCTION note_change('customers', 'id');
