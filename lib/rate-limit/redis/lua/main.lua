-- The script of the Redis rate limit store: runs all operations of one call at one instant of Redis's
-- clock and decides as the engines do. Names in capitals are the numbers of script.ts.
--
-- Most calls only need the fast path. The rest is defined inside `general`, so that a call that does not
-- need it does not pay for it: Redis runs the whole script each time.

-- include: call.lua
-- include: decide-fast.lua

local function general()
-- include: key-state.lua
-- include: decide-requests.lua
-- include: operations.lua

local function openBudgets()
-- include: budget-state.lua
-- include: decide-money.lua
-- include: budget-operations.lua

return books, bookOf, writeBook, { [SETTLE_HOLD] = true, [EXTEND_HOLD] = true, [LOWER_HOLD] = true, [KEEP_HOLD] = true }
end

return perform, stateOf, write, newState, openBudgets
end

local perform, stateOf, write, newState, openBudgets
local books, bookOf, writeBook, ofHold
local at, count = 1, #operations
while at < count do
  local kind = operations[at]
  if kind == 0 then
    local key, policy, first = operations[at + 1], operations[at + 2], at + 4
    local cost, tokens = operations[first], operations[first + 1]
    at = first + 2 * operations[at + 3]
    for i = first + 2, at - 1, 2 do cost, tokens = cost + operations[i], tokens + operations[i + 1] end
    if not takeFastPath(key, plain[policy], cost, tokens) then
      if not perform then perform, stateOf, write, newState, openBudgets = general() end
      for i = first, at - 1, 2 do
        perform[1]({ { key = key, s = stateOf(key), slots = 0, p = policies[policy] } }, operations[i], operations[i + 1])
      end
    end
  else
    if not perform then perform, stateOf, write, newState, openBudgets = general() end
    local first, width = at + 2 + operations[at + 1], 3
    if kind >= TAKE_WITH_BUDGETS then
      width = 6
      if not books then books, bookOf, writeBook, ofHold = openBudgets() end
    end
    local last, scopes = first + width * operations[first], {}
    for i = first + 1, last, width do
      local key = operations[i]
      -- Without a key the scope counts nothing but money.
      local v = { key = key, s = key > 0 and stateOf(key) or newState(), slots = operations[i + 1], p = policies[operations[i + 2]] }
      if width > 3 and operations[i + 3] > 0 then
        v.budgets = policies[operations[i + 5]]
        local hold = ofHold[kind] and operations[at + 2] .. '.' .. #scopes + 1
        v.book = bookOf(operations[i + 3], operations[i + 4], v.budgets, hold)
      end
      scopes[#scopes + 1] = v
    end
    perform[kind](scopes, unpack(operations, at + 2, first - 1))
    at = last + 1
  end
end
for key, s in pairs(states) do
  if s[CHANGED] then write(key, s) end
end
for _, book in pairs(books or {}) do
  if book.changed then writeBook(book) end
end
local parts = {}
for from = 1, told, MOST_AT_ONCE do
  local to = min(from + MOST_AT_ONCE - 1, told)
  parts[#parts + 1] = pack('<' .. string.rep('d', to - from + 1), unpack(reply, from, to))
end
return table.concat(parts)
