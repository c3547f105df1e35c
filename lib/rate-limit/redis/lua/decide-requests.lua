-- For calls that decide-fast.lua leaves: decides whether scopes allow a cost and tokens, and describes their standings (limit, remaining, reset).
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

local function decide(scopes, cost, tokens)
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
