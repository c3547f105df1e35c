-- Takes and settlements of money: the kinds of OperationKind from TAKE_WITH_BUDGETS on.

perform[TAKE_WITH_BUDGETS] = decideAll

perform[PEEK_WITH_BUDGETS] = function(scopes, cost, tokens, nano)
  decideAll(scopes, cost, tokens, nano)
end

-- A provisional settlement can be corrected: its record is kept for a while.
perform[SETTLE_HOLD] = function(scopes, id, nano, isProvisional)
  for i, v in ipairs(scopes) do
    local name, before = id .. '.' .. i, {}
    local r = recordOf(v.book, name)
    for j = 1, #v.budgets, BUDGET_FIELDS do before[j] = spentIn(v.book.accounts[v.budgets[j]]) end
    if r then
      if r.charged < 0 then move(v.book, r, -r.held, nano) else move(v.book, r, 0, nano - r.charged) end
      r.at = math.abs(r.at)
      if isProvisional == 1 then close(v.book, name, r, nano) else forget(v.book, name) end
    end
    for j = 1, #v.budgets, BUDGET_FIELDS do tellBudget(v.budgets, j, v.book.accounts[v.budgets[j]], 0, before[j]) end
  end
end

perform[EXTEND_HOLD] = function(scopes, id, nano, ttl, known, expected)
  local records, taken = {}, known
  for i, v in ipairs(scopes) do
    local r = recordOf(v.book, id .. '.' .. i)
    records[i] = r
    if r then taken = r.charged < 0 and r.held or r.charged end
  end
  local reason, place, index, wait = 0, 1, 0, 0
  if nano > taken then reason, place, index, wait = refusalOf(scopes, nano - taken) end
  if reason == 0 and nano > taken then
    for i, v in ipairs(scopes) do
      local r, name = records[i], id .. '.' .. i
      if r then
        if r.charged < 0 then move(v.book, r, nano - taken, 0) else move(v.book, r, nano, -r.charged) end
        r.held, r.charged, r.at, v.book.written[name] = nano, openMark(expected), math.abs(r.at), r
        schedule(v.book, name, clock + ttl)
      end
    end
  end
  tell(reason, place - 1, index, wait)
  tellBudgets(scopes, 0)
end

perform[LOWER_HOLD] = function(scopes, id, nano)
  for i, v in ipairs(scopes) do
    local name = id .. '.' .. i
    local r = recordOf(v.book, name)
    if r and r.charged < 0 and r.held > nano then
      move(v.book, r, nano - r.held, 0)
      r.held, v.book.written[name] = nano, r
    end
  end
end

perform[KEEP_HOLD] = function(scopes, id, ttl, expected)
  for i, v in ipairs(scopes) do
    local name = id .. '.' .. i
    local r = recordOf(v.book, name)
    if r then schedule(v.book, name, clock + (r.charged < 0 and ttl or keptOf(r))) end
    if r and r.charged < 0 and expected >= 0 then r.charged, v.book.written[name] = openMark(expected), r end
  end
end

perform[RESET_BUDGETS] = function(scopes)
  for _, v in ipairs(scopes) do
    call_redis('DEL', KEYS[v.book.hash], KEYS[v.book.holds])
    books[v.book.hash] = nil
  end
end

-- What is changed without a decision: the part of the window that a taking would fall into.
local function change(scopes, place, act)
  local v = scopes[1]
  local j = place * BUDGET_FIELDS + 1
  local a = v.book.accounts[v.budgets[j]]
  if not spanOf(v.budgets, j, a) then
    tell(STALE, 0, 0, clock)
    return
  end
  act(a, partOf(v.budgets, j, a))
  a.changed, v.book.changed = true, true
  tell(0, 0, 0, 0)
end

perform[SET_SPENT] = function(scopes, place, nano)
  change(scopes, place, function(a, current)
    a.total = sumOf(a.total, nano - spentIn(a))
    for _, part in ipairs(a.parts) do part[PART_SPENT] = part == current and nano or 0 end
  end)
end

perform[ADD_SPENT] = function(scopes, place, nano)
  change(scopes, place, function(a, current)
    current[PART_SPENT], a.total = sumOf(current[PART_SPENT], nano), sumOf(a.total, nano)
  end)
end

perform[RAISE_BUDGET] = function(scopes, place, nano)
  change(scopes, place, function(a, current)
    a.raised = sumOf(a.raisedUntil > clock and a.raised or 0, nano)
    a.raisedUntil = current[PART_END]
  end)
end

perform[LIST_HOLDS] = function(scopes)
  local book, open = scopes[1].book, {}
  for _, name in ipairs(call_redis('ZRANGEBYSCORE', KEYS[book.holds], '-inf', '+inf', 'LIMIT', 0, MOST_LISTED_HOLDS)) do
    local r = recordOf(book, name)
    if r and r.charged < 0 then open[#open + 1] = r end
  end
  table.sort(open, function(one, other) return one.at < other.at end)
  tell(#open)
  for i = 1, MOST_SHOWN_HOLDS do
    local r = open[i]
    tell(r and r.held or -1, r and clock - r.at or 0)
  end
end

-- Reading a book settles the holds of dead processes.
perform[SWEEP_HOLDS] = function() end

perform[REFUND_HOLD] = function(scopes, name, nano)
  local book = scopes[1].book
  local r = recordOf(book, name)
  if not r or r.charged < 0 or r.at >= 0 then
    tell(-1)
    return
  end
  move(book, r, 0, nano - r.charged)
  forget(book, name)
  tell(r.charged)
end

-- The part of the window that an amount of some time ago belongs to, opened if it still counts.
local function partAt(budgets, j, a, at)
  local kind, length, newest = budgets[j + BUDGET_KIND], budgets[j + BUDGET_LENGTH], a.parts[#a.parts]
  local from, to
  if kind == FIRST_USE then
    if newest then return newest[PART_START] end
    from, to = at, at + length
  elseif kind == TOTAL then
    from, to = 0, NEVER
  elseif kind == SLIDING then
    local step = budgets[j + BUDGET_BOUNDS]
    from = floor(at / step) * step
    to = from + step + length
  else
    for i = j + BUDGET_BOUNDS, j + BUDGET_BOUNDS + 2 do
      if at >= budgets[i] and at < budgets[i + 1] then from, to = budgets[i], budgets[i + 1] end
    end
    -- Of a window before these only the total is left.
    if not from then return -1 end
  end
  local place = #a.parts + 1
  for i = #a.parts, 1, -1 do
    if a.parts[i][PART_START] == from then return from end
    if a.parts[i][PART_START] > from then place = i end
  end
  if to > clock then table.insert(a.parts, place, { from, to, 0, 0 }) end
  return from
end

-- Its record is that of a hold that was settled: what is sent twice finds it, and a later amount replaces the earlier one.
perform[MERGE_SPENT] = function(scopes, name, nano, at)
  local v = scopes[1]
  local book, r = v.book, recordOf(v.book, name)
  for j = 1, #v.budgets, BUDGET_FIELDS do
    if not spanOf(v.budgets, j, book.accounts[v.budgets[j]]) then
      tell(STALE, 0, 0, clock)
      return
    end
  end
  if not r then
    r = { held = 0, charged = 0, at = clock, starts = {} }
    for j = 1, #v.budgets, BUDGET_FIELDS do
      local id = v.budgets[j]
      r.starts[#r.starts + 1] = { partAt(v.budgets, j, book.accounts[id], at), id }
    end
    book.records[name], book.count = r, book.count + 1
  end
  move(book, r, 0, nano - r.charged)
  r.charged, book.written[name] = nano, r
  schedule(book, name, clock + CRASH_KEPT_MS)
  tell(0, 0, 0, 0)
end
