-- The money of one limit and key: a book of accounts, with the arithmetic of memory/budget-ledger and budget/account.
-- A book is read once and written once a call. Amounts are whole nano-USD, exact up to 2^53.
--
--   hash        meta      = ends, sweep at, holds                          64-bit floats, little endian
--               BUDGET    = total, raised by, raised until, part*          an account; BUDGET is the id of budget-limits
--               part      = start, end, spent, held                       the oldest first
--               h:HOLD.I  = held, charged, at, (start, #BUDGET, BUDGET)*
--   sorted set  HOLD.I by time: an open hold is settled then, because its process is dead; a closed one is forgotten
--
-- `charged` of an open hold is below 0: -2 - expected cost, or -1 where that is not known. `at` is below 0 once a hold was settled
-- because its process died: such a record is kept longer, so that an operator can refund it.
--
-- A budget of a scope is BUDGET_FIELDS values: id, kind, limit, length, and the beginnings of four windows of the calendar around
-- now, or the length of a sliding window's parts.
local books = {}

local function sumOf(a, b)
  return min(max(a + b, 0), MOST_NANO_USD)
end

local function unpackAccount(text)
  local total, raised, raisedUntil, from = unpack_bytes('<ddd', text)
  local parts = {}
  while from <= #text do
    local part = {}
    part[PART_START], part[PART_END], part[PART_SPENT], part[PART_HELD], from = unpack_bytes('<dddd', text, from)
    if part[PART_END] > clock then parts[#parts + 1] = part end
  end
  return { total = total, raised = raised, raisedUntil = raisedUntil, parts = parts }
end

local function packAccount(a)
  local bytes = { pack('<ddd', a.total, a.raised, a.raisedUntil) }
  for i, part in ipairs(a.parts) do bytes[i + 1] = pack('<dddd', part[PART_START], part[PART_END], part[PART_SPENT], part[PART_HELD]) end
  return table.concat(bytes)
end

local function accountFrom(text)
  return text and unpackAccount(text) or { total = 0, raised = 0, raisedUntil = 0, parts = {} }
end

-- Accounts of other budgets: of holds that an earlier configuration made.
local function accountOf(book, id)
  local a = book.accounts[id]
  if a then return a end
  a = accountFrom(call_redis('HGET', KEYS[book.hash], id))
  book.accounts[id] = a
  return a
end

local function unpackRecord(text)
  local r, from = { starts = {} }
  r.held, r.charged, r.at, from = unpack_bytes('<ddd', text)
  while from <= #text do
    local start, id, next = unpack_bytes('<dBc0', text, from)
    r.starts[#r.starts + 1], from = { start, id }, next
  end
  return r
end

local function recordOf(book, name)
  local r = book.records[name]
  if r ~= nil then return r end
  local text = call_redis('HGET', KEYS[book.hash], 'h:' .. name)
  r = text and unpackRecord(text)
  book.records[name] = r
  return r
end

local function packRecord(r)
  local bytes = { pack('<ddd', r.held, r.charged, r.at) }
  for i, line in ipairs(r.starts) do bytes[i + 1] = pack('<dBc0', line[1], #line[2], line[2]) end
  return table.concat(bytes)
end

-- Changes what a hold has taken, in the parts that it was taken from. Of a part that is over only the total is left.
local function move(book, r, held, spent)
  for _, line in ipairs(r.starts) do
    local a = accountOf(book, line[2])
    for _, part in ipairs(a.parts) do
      if part[PART_START] == line[1] then part[PART_HELD], part[PART_SPENT] = sumOf(part[PART_HELD], held), sumOf(part[PART_SPENT], spent) end
    end
    a.total, a.changed = sumOf(a.total, spent), true
  end
  book.changed = true
end

local function schedule(book, name, at)
  call_redis('ZADD', KEYS[book.holds], at, name)
  book.sweepAt, book.needed, book.changed = min(book.sweepAt, at), max(book.needed, at), true
  -- Also as long as records that this call has scheduled.
  call_redis('PEXPIRE', KEYS[book.holds], max(KEPT_MS, at - clock, min(max(book.ends, book.needed) - clock, CRASH_KEPT_MS)))
end

local function openMark(expected)
  return expected < 0 and -1 or -2 - expected
end

-- What a dead process is charged for a hold.
local function chargeOf(r)
  return r.charged < -1 and min(r.held, -2 - r.charged) or r.held
end

local function keptOf(r)
  return r.at < 0 and CRASH_KEPT_MS or KEPT_MS
end

local function close(book, name, r, charged)
  r.charged, book.written[name] = charged, r
  schedule(book, name, clock + keptOf(r))
end

local function forget(book, name)
  call_redis('ZREM', KEYS[book.holds], name)
  book.records[name], book.written[name], book.count, book.changed = false, false, max(book.count - 1, 0), true
end

local function sweep(book)
  for _, name in ipairs(call_redis('ZRANGEBYSCORE', KEYS[book.holds], '-inf', clock, 'LIMIT', 0, MOST_SWEPT)) do
    local r = recordOf(book, name)
    if r and r.charged < 0 then
      local charged = chargeOf(r)
      move(book, r, -r.held, charged)
      r.at = -r.at
      close(book, name, r, charged)
    else
      forget(book, name)
    end
  end
  local first = call_redis('ZRANGEBYSCORE', KEYS[book.holds], '-inf', '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  book.sweepAt, book.changed = tonumber(first[2]) or NEVER, true
end

-- `hold`: one whose record the operation needs, read by the same command.
local function bookOf(hash, holds, budgets, hold)
  local book = books[hash]
  if not book then
    book = { hash = hash, holds = holds, accounts = {}, records = {}, written = {}, ends = 0, sweepAt = NEVER, count = 0, needed = 0 }
    books[hash] = book
  end
  local fields = book.isRead and {} or { 'meta' }
  for i = 1, #budgets, BUDGET_FIELDS do
    if not book.accounts[budgets[i]] then fields[#fields + 1] = budgets[i] end
  end
  local known = #fields
  if hold and book.records[hold] == nil then fields[known + 1] = 'h:' .. hold end
  if #fields == 0 then return book end
  local found = call_redis('HMGET', KEYS[hash], unpack(fields))
  for i, id in ipairs(fields) do
    if i > known then
      book.records[hold] = found[i] and unpackRecord(found[i])
    elseif id ~= 'meta' then
      book.accounts[id] = accountFrom(found[i])
    elseif found[i] then
      book.ends, book.sweepAt, book.count = unpack_bytes('<ddd', found[i])
    end
  end
  if not book.isRead then
    book.isRead = true
    if book.sweepAt <= clock then sweep(book) end
  end
  return book
end

-- Even with nothing in it a window from the first use says when the next one begins, and one of all time that nothing was spent.
local function isIdle(id, a)
  if a.total > 0 or a.raisedUntil > clock then return false end
  for _, part in ipairs(a.parts) do
    if part[PART_SPENT] > 0 or part[PART_HELD] > 0 or sub(id, 1, 1) == 'f' or since > 0 and part[PART_END] == NEVER then return false end
  end
  return true
end

local function isBookIdle(book)
  if book.count > 0 then return false end
  local known = 1
  for id, a in pairs(book.accounts) do
    if not isIdle(id, a) then return false end
    known = known + call_redis('HEXISTS', KEYS[book.hash], id)
  end
  for name in pairs(book.written) do known = known + call_redis('HEXISTS', KEYS[book.hash], 'h:' .. name) end
  return call_redis('HLEN', KEYS[book.hash]) <= known
end

-- Fewer at once than Lua's stack holds.
local function send(command, key, values)
  for from = 1, #values, MOST_AT_ONCE do
    call_redis(command, KEYS[key], unpack(values, from, min(from + MOST_AT_ONCE - 1, #values)))
  end
end

local function writeBook(book)
  if isBookIdle(book) then
    call_redis('DEL', KEYS[book.hash], KEYS[book.holds])
    return
  end
  local needed, fields, gone = book.needed, { 'meta', '' }, {}
  for id, a in pairs(book.accounts) do
    local last = a.parts[#a.parts]
    needed = max(needed, last and last[PART_END] or 0, a.raisedUntil, a.total > 0 and clock + TOTAL_KEPT_MS or 0)
    if a.changed then
      fields[#fields + 1] = id
      fields[#fields + 1] = packAccount(a)
    end
  end
  for name, r in pairs(book.written) do
    if r then
      fields[#fields + 1] = 'h:' .. name
      fields[#fields + 1] = packRecord(r)
    else
      gone[#gone + 1] = 'h:' .. name
    end
  end
  local renews = needed > book.ends
  if renews then book.ends = needed + ceil((needed - clock) / SLACK) end
  fields[2] = pack('<ddd', book.ends, book.sweepAt, book.count)
  send('HSET', book.hash, fields)
  send('HDEL', book.hash, gone)
  if not renews then return end
  if book.ends == NEVER then call_redis('PERSIST', KEYS[book.hash]) else call_redis('PEXPIRE', KEYS[book.hash], book.ends - clock) end
end
