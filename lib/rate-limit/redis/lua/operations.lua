-- The operations by their kind (OperationKind in protocol.ts).
--
-- A reset makes the slots of requests in flight count for nothing (score below zero); they stay so when renewed,
-- and what was taken before the reset is not given back.
local function take(v, cost, tokens)
  local s, p = v.s, v.p
  if p[1] >= 0 then s[LEVEL], s[LEVEL_AT], s[RATE], s[BURST] = levelOf(s, p[1], p[2]) - cost * PARTS, s[LAST], p[1], p[2] end
  for i = 5, #p, 2 do
    local id = p[i]
    if isLogged(p, id, cost, tokens) then
      local w = windowIn(s, id)
      if not w then
        w = newWindow(id)
        s[#s + 1] = w
      end
      add(w, s[LAST], cost, id == MINUTE_ID and tokens or 0)
    end
  end
  s[CHANGED] = true
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

local function answer(scopes, worst)
  local at = NEVER
  for _, v in ipairs(scopes) do at = min(at, v.s[LAST]) end
  tell(scopes[worst].code, worst - 1, scopes[worst].wait, at)
  for _, v in ipairs(scopes) do tell(v.limit, v.left, v.tokensLeft, v.reset, v.tokensReset) end
end

local perform = {}

perform[1] = function(scopes, cost, tokens, slot, slotTtl)
  local worst, refused = decide(scopes, cost, tokens)
  if not refused then
    for i, v in ipairs(scopes) do
      take(v, cost, tokens)
      if v.p[4] >= 0 then occupy(v.slots, slot .. '.' .. i, slotTtl) end
    end
  end
  answer(scopes, worst)
end

perform[2] = function(scopes, cost, tokens)
  answer(scopes, decide(scopes, cost, tokens))
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
    if #old >= FIRST_WINDOW or old[RATE] >= 0 then s[FIRST_WINDOW] = { RESET_ID, MINUTE_MS, 0, 0, t, t, t, 0, 0, '' } end
    s[LAST], s[ENDS], s[CHANGED] = old[LAST], 0, true
    states[v.key] = s
    if v.slots > 0 then forgetSlots(v.slots) end
  end
end
