import { STATE_SCRIPT } from './rate-limit-state.redis.js';

/**
 * The script of the Redis store: performs all operations of a call at one instant of Redis's clock, and decides as the engines do
 * (`rate-limit.verdict.ts`).
 *
 * A lease is counted at the last instant at which it may be spent: so no span holds more than the limit, whenever that is done.
 */
export const RATE_LIMIT_SCRIPT = `${STATE_SCRIPT}
local function windowsOf(p)
  local i = 2
  return function()
    i = i + 3
    if i <= #p then return p[i] * CODES + p[i + 2], p[i + 1], p[i + 2] end
  end
end

local function findRefusal(v, p, s, slots, cost, tokens, places)
  v.code, v.wait = 0, 0
  local function refuse(code, wait)
    if v.code == 0 or wait > v.wait then v.code, v.wait = code, wait end
  end
  if p[1] >= 0 then
    local level = levelOf(s, p[1], p[2])
    if cost * PARTS > level then refuse(SECOND, cost > p[2] and NEVER or waitForLevel(level, cost * PARTS, p[1])) end
  end
  local minute
  for id, limit, code in windowsOf(p) do
    local w = windowOf(s, id)
    if code == MINUTE then minute = w end
    local over = w.requests + cost - limit
    if limit >= 0 and over > 0 then refuse(code, waitFor(w, w.r, over, s.now)) end
  end
  if p[3] >= 0 then
    local over = minute.tokens + tokens - p[3]
    if over > 0 then refuse(TOKENS, waitFor(minute, minute.k, over, s.now)) end
  end
  if v.code == 0 and p[4] >= 0 and v.running + places > p[4] then refuse(CONCURRENCY, NEVER) end
end

local function isLogged(p, code, cost, tokens)
  return cost > 0 or code == MINUTE and (tokens > 0 or p[3] >= 0)
end

local function describe(v, p, s, cost, tokens, places)
  v.left, v.tokensLeft, v.tokensReset = NEVER, NEVER, 0
  if p[1] >= 0 then
    local level = levelOf(s, p[1], p[2]) - cost * PARTS
    v.left, v.limit, v.reset = math.floor(level / PARTS), p[2], waitForLevel(level, p[2] * PARTS, p[1])
  end
  local told = v.code == SECOND
  for id, limit, code in windowsOf(p) do
    local w = windowOf(s, id)
    local reset = v.code == 0 and isLogged(p, code, cost, tokens) and w.length or emptyIn(w, s.now)
    local left = limit < 0 and NEVER or math.max(limit - w.requests - cost, 0)
    local tells = not told and (v.code == code or left < v.left)
    v.left = math.min(v.left, left)
    if tells then v.limit, v.reset, told = limit, reset, v.code == code end
    if code == MINUTE and p[3] >= 0 then v.tokensLeft, v.tokensReset = math.max(p[3] - w.tokens - tokens, 0), reset end
  end
  if v.code == TOKENS or v.left == NEVER and p[3] >= 0 then
    v.limit, v.reset = p[3], v.tokensReset
  elseif v.code == CONCURRENCY or v.left == NEVER then
    v.limit, v.reset = p[4], 0
  end
  if v.left == NEVER and p[4] >= 0 then v.left = math.max(p[4] - v.running - places, 0) end
end

local function judge(scopes, cost, tokens)
  local verdicts, times, worst = {}, {}, 1
  for i, scope in ipairs(scopes) do
    local s, p = stateOf(scope[1]), policies[scope[3]]
    local n = (times[scope[1]] or 0) + 1
    local v = { running = p[4] >= 0 and running(scope[2], s.now) or 0 }
    times[scope[1]] = n
    verdicts[i] = v
    findRefusal(v, p, s, scope[2], cost * n, tokens * n, n)
    if v.code ~= 0 and (verdicts[worst].code == 0 or v.wait > verdicts[worst].wait) then worst = i end
  end
  local refused = verdicts[worst].code ~= 0
  for i, scope in ipairs(scopes) do
    local n = refused and 0 or times[scope[1]]
    describe(verdicts[i], policies[scope[3]], stateOf(scope[1]), cost * n, tokens * n, n)
    if not refused and verdicts[i].left < verdicts[worst].left then worst = i end
  end
  return verdicts, worst, refused
end

local function take(scope, cost, tokens, lease)
  local s, p = stateOf(scope[1]), policies[scope[3]]
  local at = s.now + lease
  if p[1] >= 0 then s.level, s.levelAt, s.rate, s.burst = levelOf(s, p[1], p[2]) - cost * PARTS, s.now, p[1], p[2] end
  for id in windowsOf(p) do
    local w = windowOf(s, id)
    at = math.max(at, w.at[#w.at] or 0)
  end
  for id, _, code in windowsOf(p) do
    if isLogged(p, code, cost, tokens) then add(windowOf(s, id), at, cost, code == MINUTE and tokens or 0) end
  end
  s.dirty = true
  return at
end

local function occupy(slots, slot, ttl)
  redis.call('ZADD', KEYS[slots], string.format('%.0f', clock + ttl), slot)
  redis.call('ZREMRANGEBYSCORE', KEYS[slots], '-inf', string.format('%.0f', clock))
  redis.call('PEXPIRE', KEYS[slots], ttl)
end

local function answer(verdicts, ...)
  reply[#reply + 1] = struct.pack('<dddddd', ...)
  for _, v in ipairs(verdicts) do
    reply[#reply + 1] = struct.pack('<ddddd', v.limit, v.left, v.tokensLeft, v.reset, v.tokensReset)
  end
end

local function portion(left, sure, more, share)
  sure = math.min(sure, left)
  return sure + math.min(more, math.floor((left - sure) / share))
end

local function grant(verdicts, sureRequests, sureTokens, moreRequests, moreTokens, share)
  local requests, tokens = NEVER, NEVER
  for _, v in ipairs(verdicts) do
    requests, tokens = math.min(requests, v.left), math.min(tokens, v.tokensLeft)
  end
  return portion(requests, sureRequests, moreRequests, share), portion(tokens, sureTokens, moreTokens, share)
end

local perform = {}

perform[1] = function(scopes, cost, tokens, slot, slotTtl, lease, ...)
  local verdicts, worst, refused = judge(scopes, cost, tokens)
  local at, moreRequests, moreTokens = stateOf(scopes[1][1]).now, 0, 0
  if not refused then
    if lease > 0 then moreRequests, moreTokens = grant(verdicts, ...) end
    at = NEVER
    for i, scope in ipairs(scopes) do
      at = math.min(at, take(scope, cost + moreRequests, tokens + moreTokens, lease))
      if policies[scope[3]][4] >= 0 then occupy(scope[2], slot .. '.' .. i, slotTtl) end
    end
  end
  local v = verdicts[worst]
  answer(verdicts, v.code, worst - 1, v.wait, at, moreRequests, moreTokens)
end

perform[2] = function(scopes, cost, tokens)
  local verdicts, worst = judge(scopes, cost, tokens)
  local v = verdicts[worst]
  answer(verdicts, v.code, worst - 1, v.wait, stateOf(scopes[1][1]).now, 0, 0)
end

perform[3] = function(scopes, requests, tokens, at)
  for _, scope in ipairs(scopes) do
    local s = stateOf(scope[1])
    if s.level then s.level, s.dirty = s.level + requests * PARTS, true end
    for id, w in pairs(s.windows) do
      if s.now - at < w.length then adjust(w, at, -requests, id % CODES == MINUTE and -tokens or 0) end
      s.dirty = true
    end
  end
end

perform[4] = function(scopes, slot)
  for i, scope in ipairs(scopes) do
    if scope[2] > 0 then redis.call('ZREM', KEYS[scope[2]], slot .. '.' .. i) end
  end
end

perform[5] = function(scopes, slot, slotTtl)
  for i, scope in ipairs(scopes) do
    if scope[2] > 0 then occupy(scope[2], slot .. '.' .. i, slotTtl) end
  end
end

perform[6] = function(scopes)
  for _, scope in ipairs(scopes) do
    local s = stateOf(scope[1])
    s.windows, s.level, s.dirty = {}, nil, true
    if scope[2] > 0 then redis.call('DEL', KEYS[scope[2]]) end
  end
end

for _, operation in ipairs(operations) do
  local n, scopes = operation[2], {}
  for i = n + 3, #operation, 3 do scopes[#scopes + 1] = { operation[i], operation[i + 1], operation[i + 2] } end
  perform[operation[1]](scopes, unpack(operation, 3, n + 2))
end
for _, s in ipairs(order) do
  if s.dirty then write(s) end
end
return table.concat(reply)
`;
