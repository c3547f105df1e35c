-- The script of the Redis rate limit store: runs all operations of one call at one instant of Redis's
-- clock and decides as the engines do. Names in capitals are the numbers of script.ts.
--
-- Most calls only need the fast path. The rest is defined inside `general`, so that a call that does not
-- need it does not pay for it: Redis runs the whole script each time.

-- include: call.lua
-- include: fast-path.lua

local function general()
-- include: key-state.lua
-- include: decide.lua
-- include: operations.lua

return perform, stateOf, write
end

local perform, stateOf, write
local at, count = 1, #operations
while at < count do
  local kind = operations[at]
  if kind == 0 then
    local key, policy, first = operations[at + 1], operations[at + 2], at + 4
    local cost, tokens = operations[first], operations[first + 1]
    at = first + 2 * operations[at + 3]
    for i = first + 2, at - 1, 2 do cost, tokens = cost + operations[i], tokens + operations[i + 1] end
    if not takeFastPath(key, plain[policy], cost, tokens) then
      if not perform then perform, stateOf, write = general() end
      for i = first, at - 1, 2 do
        perform[1]({ { key = key, s = stateOf(key), slots = 0, p = policies[policy] } }, operations[i], operations[i + 1])
      end
    end
  else
    if not perform then perform, stateOf, write = general() end
    local first = at + 2 + operations[at + 1]
    local last, scopes = first + 3 * operations[first], {}
    for i = first + 1, last, 3 do
      local key = operations[i]
      scopes[#scopes + 1] = { key = key, s = stateOf(key), slots = operations[i + 1], p = policies[operations[i + 2]] }
    end
    perform[kind](scopes, unpack(operations, at + 2, first - 1))
    at = last + 1
  end
end
for key, s in pairs(states) do
  if s[CHANGED] then write(key, s) end
end
local parts = {}
for from = 1, told, MOST_AT_ONCE do
  local to = min(from + MOST_AT_ONCE - 1, told)
  parts[#parts + 1] = pack('<' .. string.rep('d', to - from + 1), unpack(reply, from, to))
end
return table.concat(parts)
