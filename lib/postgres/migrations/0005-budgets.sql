-- Budgets of many processes: what was spent and is held, with the arithmetic of lib/rate-limit/budget/account.ts.
-- Amounts are nano-USD up to 2^53 - 1; 2^53 stands for "never". Times of windows are milliseconds since 1970, as in
-- lib/rate-limit/budget.
--
-- Locks: first rows of budget_holds by (id, place), then rows of budget_accounts by their primary key. A transaction that
-- waits for a row holds only rows before it, so none waits for another in a circle.

-- One budget of one key under one limit.
CREATE TABLE budget_accounts (
  limit_name text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  -- Id of the window: `calendar:86400000:UTC`.
  budget text COLLATE "C" NOT NULL,
  -- Spent in all windows.
  total bigint NOT NULL DEFAULT 0,
  raised bigint NOT NULL DEFAULT 0,
  raised_until bigint NOT NULL DEFAULT 0,
  -- Parts of the window, the oldest first: a sliding one has up to 61, any other has one.
  starts bigint[] NOT NULL DEFAULT '{}',
  ends bigint[] NOT NULL DEFAULT '{}',
  spent bigint[] NOT NULL DEFAULT '{}',
  held bigint[] NOT NULL DEFAULT '{}',
  used_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (limit_name, key, budget)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);

-- What one decision has taken from the budgets of one scope.
CREATE TABLE budget_holds (
  id text COLLATE "C" NOT NULL,
  -- Index of the scope in the decision.
  place integer NOT NULL,
  limit_name text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  budgets text[] NOT NULL,
  -- Start of the part that each budget was charged in.
  starts bigint[] NOT NULL,
  held bigint NOT NULL,
  -- Charge if the process dies; NULL: all that is held.
  expected bigint,
  -- NULL while the hold is open.
  charged bigint,
  -- Charged because its process died.
  crashed boolean NOT NULL DEFAULT false,
  taken_at bigint NOT NULL,
  -- Then an open hold is charged, and a charged one is forgotten.
  expires_at bigint NOT NULL,
  PRIMARY KEY (id, place)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX budget_holds_key ON budget_holds (limit_name, key, taken_at);
CREATE INDEX budget_holds_expiry ON budget_holds (expires_at);
CREATE INDEX budget_holds_crashed ON budget_holds (id, place) WHERE crashed;

-- Processes that divide the budgets among them while the database is away.
CREATE TABLE budget_processes (
  process text PRIMARY KEY,
  counts_until bigint NOT NULL
);

CREATE FUNCTION budget_now() RETURNS bigint LANGUAGE sql VOLATILE AS
  'SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- A sum within the bounds of an amount.
CREATE FUNCTION budget_add(a bigint, b bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
  'SELECT least(greatest(a + b, 0), 9007199254740991)';

CREATE FUNCTION budget_sum(amounts bigint[]) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $function$
DECLARE
  sum bigint := 0;
BEGIN
  IF cardinality(amounts) = 1 THEN
    RETURN amounts[1];
  END IF;
  FOR i IN 1 .. cardinality(amounts) LOOP
    sum := least(sum + amounts[i], 9007199254740991);
  END LOOP;
  RETURN sum;
END $function$;

-- An account without the parts that are over at `at`; an empty one for a key that has none.
CREATE FUNCTION budget_account(of_limit text, of_key text, of_budget text, at bigint) RETURNS budget_accounts LANGUAGE plpgsql AS $function$
DECLARE
  a budget_accounts;
  first integer := 1;
BEGIN
  SELECT * INTO a FROM budget_accounts WHERE limit_name = of_limit AND key = of_key AND budget = of_budget;
  IF NOT FOUND THEN
    RETURN ROW(of_limit, of_key, of_budget, 0, 0, 0, '{}', '{}', '{}', '{}', now())::budget_accounts;
  END IF;
  IF a.raised_until <= at THEN
    a.raised := 0;
  END IF;
  WHILE first <= cardinality(a.ends) AND a.ends[first] <= at LOOP
    first := first + 1;
  END LOOP;
  IF first > 1 THEN
    a.starts := a.starts[first:];
    a.ends := a.ends[first:];
    a.spent := a.spent[first:];
    a.held := a.held[first:];
  END IF;
  RETURN a;
END $function$;

-- Writes what `budget_account` has read and its caller has changed; nothing if the account is gone.
CREATE FUNCTION budget_write(a budget_accounts) RETURNS void LANGUAGE plpgsql AS $function$
BEGIN
  UPDATE budget_accounts SET total = a.total, raised = a.raised, raised_until = a.raised_until, starts = a.starts, ends = a.ends,
    spent = a.spent, held = a.held, used_at = now()
    WHERE limit_name = a.limit_name AND key = a.key AND budget = a.budget;
END $function$;

-- Figures of a budget, from index `f` on: kind (1 calendar, 2 sliding, 3 first use, 4 total), limit, length, and the beginnings
-- of four windows of the calendar around now, or the length of a part of a sliding window.

-- Start and end of the part that a charge at `at` falls into; NULL if the calendar of the caller does not reach to `at`.
CREATE FUNCTION budget_span(a budget_accounts, figures bigint[], f integer, at bigint) RETURNS bigint[] LANGUAGE plpgsql IMMUTABLE AS $function$
DECLARE
  n integer := cardinality(a.starts);
  part bigint;
BEGIN
  -- The clock can go back when a replica takes over.
  IF n > 0 AND (a.starts[n] > at OR figures[f] = 3) THEN
    RETURN ARRAY[a.starts[n], a.ends[n]];
  END IF;
  CASE figures[f]
    WHEN 2 THEN
      part := at / figures[f + 3] * figures[f + 3];
      RETURN ARRAY[part, part + figures[f + 3] + figures[f + 2]];
    WHEN 3 THEN
      RETURN ARRAY[at, at + figures[f + 2]];
    WHEN 4 THEN
      RETURN ARRAY[0, 9007199254740992];
    ELSE
      FOR i IN f + 3 .. f + 5 LOOP
        IF at >= figures[i] AND at < figures[i + 1] THEN
          RETURN ARRAY[figures[i], figures[i + 1]];
        END IF;
      END LOOP;
  END CASE;
  RETURN NULL;
END $function$;

-- The account with its part of `span` as the newest one.
CREATE FUNCTION budget_begin(a budget_accounts, span bigint[]) RETURNS budget_accounts LANGUAGE plpgsql IMMUTABLE AS $function$
DECLARE
  n integer := cardinality(a.starts);
BEGIN
  IF n = 0 OR a.starts[n] <> span[1] THEN
    a.starts := a.starts || span[1];
    a.ends := a.ends || span[2];
    a.spent := a.spent || 0::bigint;
    a.held := a.held || 0::bigint;
  END IF;
  RETURN a;
END $function$;

-- Budgets are passed as lines: limit, key, id, and 7 figures each. `places`: index of the scope of each line.

-- Locks accounts in the order of their key, so that two transactions never wait for each other.
CREATE FUNCTION budget_lock(limits text[], keys text[], budgets text[], creates boolean) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  line record;
BEGIN
  FOR line IN SELECT DISTINCT l COLLATE "C" AS l, k COLLATE "C" AS k, b COLLATE "C" AS b
    FROM unnest(limits, keys, budgets) AS lines (l, k, b) ORDER BY 1, 2, 3
  LOOP
    LOOP
      PERFORM FROM budget_accounts WHERE limit_name = line.l AND key = line.k AND budget = line.b FOR UPDATE;
      EXIT WHEN FOUND OR NOT creates;
      INSERT INTO budget_accounts (limit_name, key, budget) VALUES (line.l, line.k, line.b) ON CONFLICT DO NOTHING;
      EXIT WHEN FOUND;
    END LOOP;
  END LOOP;
END $function$;

-- Whether `ask` is denied by a line: reason (1 held, 2 exhausted, 3 exceeds the budget, 4 stale windows), scope, budget, and
-- wait. Of several the gravest, of equals the one that lasts longest. A budget that is named twice is asked twice.
CREATE FUNCTION budget_refusal(places integer[], limits text[], keys text[], budgets text[], figures bigint[], first integer, last integer,
  ask bigint, at bigint) RETURNS bigint[] LANGUAGE plpgsql AS $function$
DECLARE
  worst bigint[] := '{0,0,0,0}';
  a budget_accounts;
  of_scope integer := first;
  asked bigint;
  most bigint;
  spent bigint;
  freed bigint;
  reason bigint;
  wait bigint;
BEGIN
  FOR i IN first .. last LOOP
    IF places[i] <> places[of_scope] THEN
      of_scope := i;
    END IF;
    asked := ask;
    FOR j IN first .. i - 1 LOOP
      IF keys[j] = keys[i] AND limits[j] = limits[i] AND budgets[j] = budgets[i] THEN
        asked := asked + ask;
      END IF;
    END LOOP;
    a := budget_account(limits[i], keys[i], budgets[i], at);
    most := budget_add(figures[i * 7 - 5], a.raised);
    spent := budget_sum(a.spent);
    wait := 9007199254740992;
    IF figures[i * 7 - 6] = 1 AND budget_span(a, figures, i * 7 - 6, at) IS NULL THEN
      reason := 4;
      wait := at;
    ELSIF asked > most THEN
      reason := 3;
    ELSIF spent + asked > most THEN
      reason := 2;
      freed := 0;
      FOR j IN 1 .. cardinality(a.spent) LOOP
        freed := freed + a.spent[j];
        IF freed >= spent + asked - most THEN
          IF a.ends[j] < wait THEN
            wait := a.ends[j] - at;
          END IF;
          EXIT;
        END IF;
      END LOOP;
    ELSIF spent + budget_sum(a.held) + asked > most THEN
      reason := 1;
    ELSE
      CONTINUE;
    END IF;
    IF reason > worst[1] OR reason = worst[1] AND wait > worst[4] THEN
      worst := ARRAY[reason, places[i], i - of_scope, wait];
    END IF;
  END LOOP;
  RETURN worst;
END $function$;

-- Six numbers for each line: spent, held, total, limit, when it resets, 0. `pending`: what a decision would hold on top.
CREATE FUNCTION budget_standings(limits text[], keys text[], budgets text[], figures bigint[], first integer, last integer, pending bigint,
  at bigint) RETURNS bigint[] LANGUAGE plpgsql AS $function$
DECLARE
  standings bigint[] := '{}';
  a budget_accounts;
  span bigint[];
  resets_at bigint;
BEGIN
  FOR i IN first .. last LOOP
    a := budget_account(limits[i], keys[i], budgets[i], at);
    IF pending > 0 OR figures[i * 7 - 6] IN (1, 4) THEN
      span := budget_span(a, figures, i * 7 - 6, at);
      resets_at := coalesce(span[2], at);
    ELSE
      resets_at := coalesce(a.ends[cardinality(a.ends)], at);
    END IF;
    standings := standings || ARRAY[budget_sum(a.spent), budget_add(budget_sum(a.held), pending), a.total,
      budget_add(figures[i * 7 - 5], a.raised), resets_at, 0];
  END LOOP;
  RETURN standings;
END $function$;

-- Changes what a hold has taken, in the parts that it was taken from. Of a part that is over only the total is left.
CREATE FUNCTION budget_move(h budget_holds, more_held bigint, more_spent bigint, at bigint) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  a budget_accounts;
  n integer;
BEGIN
  FOR i IN 1 .. cardinality(h.budgets) LOOP
    a := budget_account(h.limit_name, h.key, h.budgets[i], at);
    n := array_position(a.starts, h.starts[i]);
    IF n IS NOT NULL THEN
      a.held[n] := budget_add(a.held[n], more_held);
      a.spent[n] := budget_add(a.spent[n], more_spent);
    END IF;
    a.total := budget_add(a.total, more_spent);
    PERFORM budget_write(a);
  END LOOP;
END $function$;

-- Locks holds, and then the accounts of them and of the lines.
CREATE FUNCTION budget_lock_holds(ids text[], limits text[], keys text[], budgets text[]) RETURNS void LANGUAGE plpgsql AS $function$
DECLARE
  h budget_holds;
BEGIN
  FOR h IN SELECT * FROM budget_holds WHERE id = ANY(ids) ORDER BY id, place FOR UPDATE LOOP
    FOR i IN 1 .. cardinality(h.budgets) LOOP
      limits := limits || h.limit_name;
      keys := keys || h.key;
      budgets := budgets || h.budgets[i];
    END LOOP;
  END LOOP;
  PERFORM budget_lock(limits, keys, budgets, false);
END $function$;

-- Decides requests, one after the other: of each, all budgets are charged or none. An id of '' only looks; such requests are
-- the first ones. `firsts`: the first line of each request, and one more. Returns four numbers of the refusal, then the
-- standings of the lines, of each request.
CREATE FUNCTION budget_hold(ids text[], asks bigint[], expecteds bigint[], firsts integer[], places integer[], limits text[], keys text[],
  budgets text[], figures bigint[], ttl bigint) RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  reply bigint[] := '{}';
  refusal bigint[];
  looks integer := 0;
  at bigint;
  a budget_accounts;
  starts bigint[];
  of_scope integer;
  last integer;
BEGIN
  WHILE ids[looks + 1] = '' LOOP
    looks := looks + 1;
  END LOOP;
  IF looks < cardinality(ids) THEN
    of_scope := firsts[looks + 1];
    PERFORM budget_lock(limits[of_scope:], keys[of_scope:], budgets[of_scope:], true);
  END IF;
  at := budget_now();
  FOR o IN 1 .. cardinality(ids) LOOP
    last := firsts[o + 1] - 1;
    refusal := budget_refusal(places, limits, keys, budgets, figures, firsts[o], last, asks[o], at);
    IF refusal[1] = 0 AND o > looks THEN
      of_scope := firsts[o];
      starts := '{}';
      FOR i IN firsts[o] .. last LOOP
        a := budget_account(limits[i], keys[i], budgets[i], at);
        a := budget_begin(a, budget_span(a, figures, i * 7 - 6, at));
        a.held[cardinality(a.held)] := budget_add(a.held[cardinality(a.held)], asks[o]);
        PERFORM budget_write(a);
        starts := starts || a.starts[cardinality(a.starts)];
        IF i = last OR places[i + 1] <> places[i] THEN
          INSERT INTO budget_holds (id, place, limit_name, key, budgets, starts, held, expected, taken_at, expires_at)
            VALUES (ids[o], places[i], limits[i], keys[i], budgets[of_scope:i], starts, asks[o], nullif(expecteds[o], -1), at, at + ttl);
          of_scope := i + 1;
          starts := '{}';
        END IF;
      END LOOP;
    END IF;
    reply := reply || refusal || budget_standings(limits, keys, budgets, figures, firsts[o], last,
      CASE WHEN refusal[1] = 0 AND o <= looks THEN asks[o] ELSE 0 END, at);
  END LOOP;
  RETURN reply;
END $function$;

-- Replaces holds by what was spent, each once. A provisional settlement can be corrected for a quarter of an hour. Returns the
-- standings of the lines, the last number of each being what was spent before.
CREATE FUNCTION budget_settle(ids text[], amounts bigint[], provisional integer[], firsts integer[], limits text[], keys text[],
  budgets text[], figures bigint[]) RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  reply bigint[] := '{}';
  standings bigint[];
  earlier bigint[];
  at bigint;
  h budget_holds;
BEGIN
  PERFORM budget_lock_holds(ids, '{}', '{}', '{}');
  at := budget_now();
  FOR o IN 1 .. cardinality(ids) LOOP
    earlier := '{}';
    FOR i IN firsts[o] .. firsts[o + 1] - 1 LOOP
      earlier := earlier || budget_sum((budget_account(limits[i], keys[i], budgets[i], at)).spent);
    END LOOP;
    FOR h IN SELECT * FROM budget_holds WHERE id = ids[o] ORDER BY place LOOP
      IF h.charged IS NULL THEN
        PERFORM budget_move(h, -h.held, amounts[o], at);
      ELSE
        PERFORM budget_move(h, 0, amounts[o] - h.charged, at);
      END IF;
      IF provisional[o] = 1 THEN
        UPDATE budget_holds SET charged = amounts[o], crashed = false, expires_at = at + 900000 WHERE id = h.id AND place = h.place;
      ELSE
        DELETE FROM budget_holds WHERE id = h.id AND place = h.place;
      END IF;
    END LOOP;
    standings := budget_standings(limits, keys, budgets, figures, firsts[o], firsts[o + 1] - 1, 0, at);
    FOR i IN 1 .. cardinality(earlier) LOOP
      standings[i * 6] := earlier[i];
    END LOOP;
    reply := reply || standings;
  END LOOP;
  RETURN reply;
END $function$;

-- Settles a hold whose request has got no answer. If it does not exist (yet), its id is used up, so that a statement that is
-- still on its way takes nothing.
CREATE FUNCTION budget_cancel(of_id text, amount bigint) RETURNS bigint LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
BEGIN
  INSERT INTO budget_holds (id, place, limit_name, key, budgets, starts, held, charged, taken_at, expires_at)
    VALUES (of_id, 0, '', '', '{}', '{}', 0, 0, budget_now(), budget_now() + 900000) ON CONFLICT DO NOTHING;
  IF NOT FOUND AND EXISTS (SELECT FROM budget_holds WHERE id = of_id AND cardinality(budgets) > 0) THEN
    PERFORM budget_settle(ARRAY[of_id], ARRAY[amount], '{0}', '{1,1}', '{}', '{}', '{}', '{}');
  END IF;
  RETURN 0;
END $function$;

-- Raises a hold, or a charge, to `ask`. `known`: what it holds, if that was forgotten. Returns the refusal and the standings.
CREATE FUNCTION budget_extend(of_id text, ask bigint, known bigint, expects bigint, ttl bigint, places integer[], limits text[],
  keys text[], budgets text[], figures bigint[]) RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  refusal bigint[] := '{0,0,0,0}';
  taken bigint := known;
  at bigint;
  h budget_holds;
BEGIN
  PERFORM budget_lock_holds(ARRAY[of_id], limits, keys, budgets);
  at := budget_now();
  FOR h IN SELECT * FROM budget_holds WHERE id = of_id ORDER BY place LOOP
    taken := coalesce(h.charged, h.held);
  END LOOP;
  IF ask > taken THEN
    refusal := budget_refusal(places, limits, keys, budgets, figures, 1, cardinality(limits), ask - taken, at);
    IF refusal[1] = 0 THEN
      FOR h IN SELECT * FROM budget_holds WHERE id = of_id ORDER BY place LOOP
        IF h.charged IS NULL THEN
          PERFORM budget_move(h, ask - taken, 0, at);
        ELSE
          PERFORM budget_move(h, ask, -h.charged, at);
        END IF;
        UPDATE budget_holds SET held = ask, charged = NULL, crashed = false, expected = nullif(expects, -1), expires_at = at + ttl
          WHERE id = h.id AND place = h.place;
      END LOOP;
    END IF;
  END IF;
  RETURN refusal || budget_standings(limits, keys, budgets, figures, 1, cardinality(limits), 0, at);
END $function$;

-- Renews open holds. One that is locked is being settled.
CREATE FUNCTION budget_keep(ids text[], expecteds bigint[], ttl bigint) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
BEGIN
  UPDATE budget_holds SET expires_at = budget_now() + ttl, expected = nullif(expecteds[array_position(ids, locked.id)], -1)
    FROM (SELECT id, place FROM budget_holds WHERE id = ANY(ids) AND charged IS NULL FOR UPDATE SKIP LOCKED) AS locked
    WHERE budget_holds.id = locked.id AND budget_holds.place = locked.place;
END $function$;

-- Charges up to 64 holds of dead processes, and forgets old charges. Returns how many; more can be left.
CREATE FUNCTION budget_sweep() RETURNS integer LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  at bigint := budget_now();
  due budget_holds[] := '{}';
  limits text[] := '{}';
  keys text[] := '{}';
  budgets text[] := '{}';
  h budget_holds;
  amount bigint;
BEGIN
  FOR h IN SELECT * FROM budget_holds WHERE expires_at <= at ORDER BY expires_at LIMIT 64 FOR UPDATE SKIP LOCKED LOOP
    due := due || h;
    FOR i IN 1 .. cardinality(h.budgets) LOOP
      limits := limits || h.limit_name;
      keys := keys || h.key;
      budgets := budgets || h.budgets[i];
    END LOOP;
  END LOOP;
  PERFORM budget_lock(limits, keys, budgets, false);
  FOREACH h IN ARRAY due LOOP
    IF h.charged IS NULL THEN
      amount := least(h.held, coalesce(h.expected, h.held));
      PERFORM budget_move(h, -h.held, amount, at);
      UPDATE budget_holds SET charged = amount, crashed = true, expires_at = at + 604800000 WHERE id = h.id AND place = h.place;
    ELSE
      DELETE FROM budget_holds WHERE id = h.id AND place = h.place;
    END IF;
  END LOOP;
  RETURN cardinality(due);
END $function$;

-- Corrects such a charge, once. Returns the former amount; -1 if it does not exist.
CREATE FUNCTION budget_refund(of_limit text, of_key text, of_id text, of_place integer, amount bigint) RETURNS bigint
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  h budget_holds;
BEGIN
  SELECT * INTO h FROM budget_holds WHERE id = of_id AND place = of_place AND limit_name = of_limit AND key = of_key AND crashed FOR UPDATE;
  IF NOT FOUND THEN
    RETURN -1;
  END IF;
  PERFORM budget_lock(array_fill(of_limit, ARRAY[cardinality(h.budgets)]), array_fill(of_key, ARRAY[cardinality(h.budgets)]), h.budgets,
    false);
  PERFORM budget_move(h, 0, amount - h.charged, budget_now());
  DELETE FROM budget_holds WHERE id = of_id AND place = of_place;
  RETURN h.charged;
END $function$;

-- Forgets the budgets of a key under a limit.
CREATE FUNCTION budget_reset(of_limit text, of_key text) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
BEGIN
  PERFORM FROM budget_holds WHERE limit_name = of_limit AND key = of_key ORDER BY id, place FOR UPDATE;
  PERFORM FROM budget_accounts WHERE limit_name = of_limit AND key = of_key ORDER BY budget FOR UPDATE;
  DELETE FROM budget_holds WHERE limit_name = of_limit AND key = of_key;
  DELETE FROM budget_accounts WHERE limit_name = of_limit AND key = of_key;
END $function$;

-- Changes a budget without a decision: `spent` replaces the spend in the window, `added` is added to it, `raise` raises the
-- limit until the window ends. Returns a refusal.
CREATE FUNCTION budget_change(kind text, amount bigint, of_limit text, of_key text, of_budget text, figures bigint[]) RETURNS bigint[]
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  at bigint;
  a budget_accounts;
  span bigint[];
  n integer;
BEGIN
  PERFORM budget_lock(ARRAY[of_limit], ARRAY[of_key], ARRAY[of_budget], true);
  at := budget_now();
  a := budget_account(of_limit, of_key, of_budget, at);
  span := budget_span(a, figures, 1, at);
  IF span IS NULL THEN
    RETURN ARRAY[4, 0, 0, at];
  END IF;
  a := budget_begin(a, span);
  n := cardinality(a.starts);
  IF kind = 'raise' THEN
    a.raised := budget_add(a.raised, amount);
    a.raised_until := a.ends[n];
  ELSIF kind = 'added' THEN
    a.total := budget_add(a.total, amount);
    a.spent[n] := budget_add(a.spent[n], amount);
  ELSE
    a.total := budget_add(a.total, amount - budget_sum(a.spent));
    a.spent := array_fill(0::bigint, ARRAY[n]);
    a.spent[n] := amount;
  END IF;
  PERFORM budget_write(a);
  RETURN '{0,0,0,0}';
END $function$;

-- Counts what a process has spent while it could not reach the database, in the windows of `spent_at`: sent again it counts
-- once, and a later amount replaces the earlier one. Returns a refusal.
CREATE FUNCTION budget_merge(of_id text, amount bigint, spent_at bigint, limits text[], keys text[], budgets text[], figures bigint[])
  RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  at bigint;
  a budget_accounts;
  h budget_holds;
  span bigint[];
  begins bigint[] := '{}';
  f integer;
  n integer;
BEGIN
  PERFORM budget_lock_holds(ARRAY[of_id], '{}', '{}', '{}');
  PERFORM budget_lock(limits, keys, budgets, true);
  at := budget_now();
  SELECT * INTO h FROM budget_holds WHERE id = of_id AND place = 0;
  IF NOT FOUND THEN
    FOR i IN 1 .. cardinality(limits) LOOP
      f := i * 7 - 6;
      a := budget_account(limits[i], keys[i], budgets[i], at);
      IF figures[f] = 1 AND budget_span(a, figures, f, at) IS NULL THEN
        RETURN ARRAY[4, 0, 0, at];
      END IF;
      IF figures[f] = 3 AND cardinality(a.starts) > 0 THEN
        span := ARRAY[a.starts[cardinality(a.starts)], at + 1];
      ELSE
        -- As if nothing had been taken yet: the part of that time, not the newest one.
        span := budget_span(ROW(limits[i], keys[i], budgets[i], 0, 0, 0, '{}', '{}', '{}', '{}', now())::budget_accounts, figures, f, spent_at);
      END IF;
      begins := begins || coalesce(span[1], -1);
      IF span IS NOT NULL AND span[2] > at AND array_position(a.starts, span[1]) IS NULL THEN
        n := (SELECT count(*) FROM unnest(a.starts) AS begun WHERE begun < span[1]);
        a.starts := a.starts[:n] || span[1] || a.starts[n + 1:];
        a.ends := a.ends[:n] || span[2] || a.ends[n + 1:];
        a.spent := a.spent[:n] || 0::bigint || a.spent[n + 1:];
        a.held := a.held[:n] || 0::bigint || a.held[n + 1:];
        PERFORM budget_write(a);
      END IF;
    END LOOP;
    INSERT INTO budget_holds (id, place, limit_name, key, budgets, starts, held, charged, taken_at, expires_at)
      VALUES (of_id, 0, limits[1], keys[1], budgets, begins, 0, 0, at, at + 604800000) RETURNING * INTO h;
  END IF;
  PERFORM budget_move(h, 0, amount - h.charged, at);
  UPDATE budget_holds SET charged = amount, expires_at = at + 604800000 WHERE id = of_id AND place = 0;
  RETURN '{0,0,0,0}';
END $function$;

-- Counts this process among those that share the budgets. Returns their number, and 1 for a new one.
CREATE FUNCTION budget_beat(of_process text, ttl bigint) RETURNS bigint[] LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  at bigint := budget_now();
  is_known boolean := EXISTS (SELECT FROM budget_processes WHERE process = of_process AND counts_until > at);
BEGIN
  -- The own row first: after it nothing is waited for.
  INSERT INTO budget_processes VALUES (of_process, at + ttl) ON CONFLICT (process) DO UPDATE SET counts_until = excluded.counts_until;
  DELETE FROM budget_processes WHERE process IN
    (SELECT process FROM budget_processes WHERE counts_until <= at FOR UPDATE SKIP LOCKED);
  RETURN ARRAY[(SELECT count(*) FROM budget_processes), CASE WHEN is_known THEN 0 ELSE 1 END];
END $function$;

-- Forgets, among the next 500 accounts after one, those that count nothing any more: with spend a year after their last use.
-- Returns the last one that it has looked at; NULL after the end.
CREATE FUNCTION budget_prune(after_limit text, after_key text, after_budget text) RETURNS text[]
  LANGUAGE plpgsql SET search_path FROM CURRENT AS $function$
DECLARE
  at bigint := budget_now();
  looked integer := 0;
  a budget_accounts;
BEGIN
  FOR a IN SELECT * FROM budget_accounts WHERE (limit_name, key, budget) > (after_limit, after_key, after_budget)
    ORDER BY limit_name, key, budget LIMIT 500
  LOOP
    looked := looked + 1;
    CONTINUE WHEN a.used_at > now() - CASE WHEN a.total = 0 THEN interval '1 hour' ELSE interval '366 days' END
      OR a.raised > 0 AND a.raised_until > at
      OR EXISTS (SELECT FROM unnest(a.ends, a.spent, a.held) AS part (part_end, part_spent, part_held)
        WHERE part_end > at AND (part_spent > 0 OR part_held > 0 OR a.budget LIKE 'firstUse%'));
    -- One that is locked is being used.
    PERFORM FROM budget_accounts WHERE limit_name = a.limit_name AND key = a.key AND budget = a.budget AND used_at = a.used_at
      FOR UPDATE SKIP LOCKED;
    IF FOUND THEN
      DELETE FROM budget_accounts WHERE limit_name = a.limit_name AND key = a.key AND budget = a.budget;
    END IF;
  END LOOP;
  RETURN CASE WHEN looked = 500 THEN ARRAY[a.limit_name, a.key, a.budget] END;
END $function$;
