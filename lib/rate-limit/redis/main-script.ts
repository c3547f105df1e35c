import { CALL_SCRIPT, STATE_SCRIPT, withNumbers } from './state-script.js';
import { USUAL_SCRIPT } from './fast-path-script.js';

/**
 * The script of the Redis store: performs all operations of a call at one instant of Redis's clock, and decides as the engines do
 * (`rate-limit.verdict.ts`).
 *
 * Who was under way at a reset has taken nothing since: a place that is said to be held still is kept with its end below zero, where it does not count, and what was
 * taken until then is not given back.
 *
 * What most calls do not need stands in `general`: it is made when it is asked for, as Redis runs the whole script each time.
 *
 * A lease is counted at the last instant at which it may be spent: so no span holds more than the limit, whenever that is done.
 */
export const RATE_LIMIT_SCRIPT = withNumbers(`${CALL_SCRIPT}${USUAL_SCRIPT}
local function general()
${STATE_SCRIPT}
local function running(slots)
  return call_redis('ZCOUNT', KEYS[slots], '(' .. clock, '+inf')
end

local function findRefusal(v, cost, tokens, places)
  local s, p, code, wait = v.s, v.p, 0, 0
  if p[1] >= 0 then
    local level = levelOf(s, p[1], p[2])
    if cost * PARTS > level then
      code, wait = SECOND, cost > p[2] and NEVER or waitForLevel(level, cost * PARTS, p[1])
    end
  end
  for i = 5, #p, 2 do
    local id, limit = p[i], p[i + 1]
    local w = windowIn(s, id) or EMPTY
    local over, blind = w[ALL_REQUESTS] + cost - limit, since + floor(id / CODES) - clock
    if limit >= 0 and (over > 0 or blind > 0) then
      local longer = max(blind, over > 0 and waitFor(w, over, false, s[LAST]) or 0)
      if code == 0 or longer > wait then code, wait = id % CODES, longer end
    end
  end
  if p[3] >= 0 then
    local w = windowIn(s, MINUTE_ID) or EMPTY
    local over, blind = w[ALL_TOKENS] + tokens - p[3], since + MINUTE_MS - clock
    if over > 0 or blind > 0 then
      local longer = max(blind, over > 0 and waitFor(w, over, true, s[LAST]) or 0)
      if code == 0 or longer > wait then code, wait = TOKENS, longer end
    end
  end
  if p[4] >= 0 then
    v.running = running(v.slots)
    if code == 0 and v.running + places > p[4] then code, wait = CONCURRENCY, NEVER end
    local blind = since + (call[5] or 0) - clock
    if blind > wait then code, wait = CONCURRENCY, blind end
  end
  v.code, v.wait = code, wait
end

local function isLogged(p, id, cost, tokens)
  return cost > 0 or id == MINUTE_ID and (tokens > 0 or p[3] >= 0)
end

local function describe(v, cost, tokens, places)
  local s, p, code = v.s, v.p, v.code
  local told, left, limit, reset, tokensLeft, tokensReset = code == SECOND, NEVER, NEVER, 0, NEVER, 0
  if p[1] >= 0 then
    local level = levelOf(s, p[1], p[2]) - cost * PARTS
    left, limit, reset = max(floor(level / PARTS), 0), p[2], waitForLevel(level, p[2] * PARTS, p[1])
  end
  for i = 5, #p, 2 do
    local id, most = p[i], p[i + 1]
    local w, length = windowIn(s, id) or EMPTY, floor(id / CODES)
    local here = most < 0 and NEVER or since + length > clock and 0 or max(most - w[ALL_REQUESTS] - cost, 0)
    local resetHere = code == 0 and isLogged(p, id, cost, tokens) and length or emptyIn(w, s[LAST])
    if not told and (code == id % CODES or here < left) then
      limit, reset, told = most, resetHere, code == id % CODES
    end
    left = min(left, here)
    if id == MINUTE_ID and p[3] >= 0 then tokensLeft, tokensReset = max(p[3] - w[ALL_TOKENS] - tokens, 0), resetHere end
  end
  if code == TOKENS or left == NEVER and p[3] >= 0 and code ~= CONCURRENCY then
    limit, reset = p[3], tokensReset
  elseif code == CONCURRENCY or left == NEVER then
    limit, reset = p[4], 0
  end
  if left == NEVER and p[4] >= 0 then left = max(p[4] - v.running - places, 0) end
  v.limit, v.left, v.tokensLeft, v.reset, v.tokensReset = limit, left, tokensLeft, reset, tokensReset
end

local function judge(scopes, cost, tokens)
  if #scopes == 1 then
    local v = scopes[1]
    findRefusal(v, cost, tokens, 1)
    if v.code == 0 then describe(v, cost, tokens, 1) else describe(v, 0, 0, 0) end
    return 1, v.code ~= 0
  end
  local times, worst = {}, 1
  for i, v in ipairs(scopes) do
    local n = (times[v.s] or 0) + 1
    times[v.s] = n
    findRefusal(v, cost * n, tokens * n, n)
    if v.code ~= 0 and (scopes[worst].code == 0 or v.wait > scopes[worst].wait) then worst = i end
  end
  local refused = scopes[worst].code ~= 0
  for i, v in ipairs(scopes) do
    local n = refused and 0 or times[v.s]
    describe(v, cost * n, tokens * n, n)
    if not refused and v.left < scopes[worst].left then worst = i end
  end
  return worst, refused
end

local function take(v, cost, tokens, lease)
  local s, p = v.s, v.p
  local at = s[LAST] + lease
  if p[1] >= 0 then s[LEVEL], s[LEVEL_AT], s[RATE], s[BURST] = levelOf(s, p[1], p[2]) - cost * PARTS, s[LAST], p[1], p[2] end
  for i = 5, #p, 2 do
    local w = windowIn(s, p[i])
    if w then at = max(at, w[NEWEST]) end
  end
  for i = 5, #p, 2 do
    local id = p[i]
    if isLogged(p, id, cost, tokens) then
      local w = windowIn(s, id)
      if not w then
        w = newWindow(id)
        s[#s + 1] = w
      end
      add(w, at, cost, id == MINUTE_ID and tokens or 0)
    end
  end
  v.s[CHANGED] = true
  return at
end

local function occupy(slots, slot, ttl, forgotten)
  local ends = clock + ttl
  call_redis('ZADD', KEYS[slots], forgotten and -ends or ends, slot)
  call_redis('ZREMRANGEBYSCORE', KEYS[slots], -clock, clock)
  call_redis('PEXPIRE', KEYS[slots], ttl)
end

local function tell(...)
  for i = 1, select('#', ...) do reply[told + i] = select(i, ...) end
  told = told + select('#', ...)
end

local function answer(scopes, worst, at, moreRequests, moreTokens)
  tell(scopes[worst].code, worst - 1, scopes[worst].wait, at, moreRequests, moreTokens)
  for _, v in ipairs(scopes) do tell(v.limit, v.left, v.tokensLeft, v.reset, v.tokensReset) end
end

local function portion(left, sure, more, share)
  sure = min(sure, left)
  return sure + min(more, floor((left - sure) / share))
end

local function grant(scopes, sureRequests, sureTokens, moreRequests, moreTokens, share)
  local requests, tokens = NEVER, NEVER
  for _, v in ipairs(scopes) do
    requests, tokens = min(requests, v.left), min(tokens, v.tokensLeft)
  end
  return portion(requests, sureRequests, moreRequests, share), portion(tokens, sureTokens, moreTokens, share)
end

local perform = {}

perform[1] = function(scopes, cost, tokens, slot, slotTtl, lease, ...)
  local worst, refused = judge(scopes, cost, tokens)
  local at, moreRequests, moreTokens = scopes[1].s[LAST], 0, 0
  if not refused then
    if lease then moreRequests, moreTokens = grant(scopes, ...) end
    at = NEVER
    for i, v in ipairs(scopes) do
      at = min(at, take(v, cost + moreRequests, tokens + moreTokens, lease or 0))
      if v.p[4] >= 0 then occupy(v.slots, slot .. '.' .. i, slotTtl) end
    end
  end
  answer(scopes, worst, at, moreRequests, moreTokens)
end

perform[2] = function(scopes, cost, tokens)
  answer(scopes, judge(scopes, cost, tokens), scopes[1].s[LAST], 0, 0)
end

perform[3] = function(scopes, requests, tokens, at)
  for _, v in ipairs(scopes) do
    local s = v.s
    local reset = windowIn(s, RESET_ID)
    if not reset or at > reset[NEWEST] then
      if s[RATE] >= 0 then s[LEVEL] = s[LEVEL] + requests * PARTS end
      for i = FIRST_WINDOW, #s do
        local w = s[i]
        if s[LAST] - at < w[LENGTH] then adjust(w, at, -requests, w[ID] == MINUTE_ID and -tokens or 0) end
      end
      s[CHANGED] = true
    end
  end
end

perform[4] = function(scopes, slot)
  for i, v in ipairs(scopes) do
    if v.slots > 0 then call_redis('ZREM', KEYS[v.slots], slot .. '.' .. i) end
  end
end

perform[5] = function(scopes, slot, slotTtl)
  for i, v in ipairs(scopes) do
    if v.slots > 0 then
      local name = slot .. '.' .. i
      local score = call_redis('ZSCORE', KEYS[v.slots], name)
      occupy(v.slots, name, slotTtl, score and tonumber(score) < 0)
    end
  end
end

local function forgetSlots(slots)
  local names = call_redis('ZRANGEBYSCORE', KEYS[slots], '(' .. clock, '+inf', 'WITHSCORES')
  for i = 1, #names, 2 do call_redis('ZADD', KEYS[slots], -names[i + 1], names[i]) end
end

perform[6] = function(scopes)
  for _, v in ipairs(scopes) do
    local old, s = v.s, newState()
    local t = old[LAST]
    for i = FIRST_WINDOW, #old do t = max(t, old[i][NEWEST]) end
    if #old >= FIRST_WINDOW or old[RATE] >= 0 then s[FIRST_WINDOW] = { RESET_ID, MINUTE_MS, 0, 0, t, t, t, 0, 0, '' } end
    s[LAST], s[ENDS], s[CHANGED] = old[LAST], 0, true
    states[v.key] = s
    if v.slots > 0 then forgetSlots(v.slots) end
  end
end

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
    if not takeUsual(key, plain[policy], cost, tokens) then
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
`);
