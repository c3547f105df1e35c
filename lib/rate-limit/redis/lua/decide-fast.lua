-- The fast path: takes of one key under one window that are allowed. Decides in a straight line what operations.lua
-- would decide, and all takes of a call for one key at once by their sums: if the sums are allowed, each take is.
local plain = {}
for i, p in ipairs(policies) do
  if #p == 6 and p[1] < 0 and p[4] < 0 and since == 0 then
    plain[i] = { p[5], floor(p[5] / CODES), p[6] < 0 and NEVER or p[6], p[3] < 0 and NEVER or p[3] }
  end
end

local function takeFastPath(key, policy, cost, tokens)
  if not policy or states[key] then return false end
  local id, length, left, tokensLeft = policy[1], policy[2], policy[3] - cost, policy[4]
  if id == MINUTE_ID then tokensLeft = tokensLeft - tokens else tokens = 0 end
  local packed = values[key]
  if not packed then
    if left < 0 or tokensLeft < 0 then return false end
    local ends = clock + length + slackOf(length)
    packed = pack('<dddddddddddc0', clock, ends, id, cost, tokens, clock, clock, clock, cost, tokens, 0, '')
    call_redis('PSETEX', KEYS[key], ends - clock, packed)
    values[key], reply[told + 1], reply[told + 2], reply[told + 3], reply[told + 4] = packed, -1, clock, left, tokensLeft
    told = told + 4
    return true
  end
  if #packed < ONE_WINDOW_BYTES then return false end
  local t, ends, here, requests, taken, start, oldest, newest, newRequests, newTokens, older, next = unpack_bytes('<dddddddddddc0', packed)
  if here ~= id or next <= #packed then return false end
  t = max(t, clock)
  if t - oldest >= length then
    local from, size, had, hadTokens = 1, #older, 0, 0
    while t - oldest >= length do
      if from > size then
        if t - newest >= length then requests, taken, newRequests, newTokens, newest = 0, 0, 0, 0, -NEVER end
        oldest = newest
        break
      end
      oldest, had, hadTokens = unpack_bytes('<ddd', older, from)
      if t - oldest >= length then requests, taken, from = requests - had, taken - hadTokens, from + INSTANT_BYTES end
    end
    older = sub(older, from)
  end
  left, tokensLeft = left - requests, tokensLeft - taken
  if left < 0 or tokensLeft < 0 then return false end
  if newest == t or #older >= EXACT_BYTES and (t - start) * MERGES < length then
    newRequests, newTokens = newRequests + cost, newTokens + tokens
  else
    if newest > 0 then older = older .. pack('<ddd', newest, newRequests, newTokens) else oldest = t end
    start, newRequests, newTokens = t, cost, tokens
  end
  local keeps = t + length <= ends
  if not keeps then ends = t + length + slackOf(length) end
  packed = pack('<dddddddddddc0', t, ends, id, requests + cost, taken + tokens, start, oldest, t, newRequests, newTokens, #older, older)
  if keeps then call_redis('SET', KEYS[key], packed, 'KEEPTTL') else call_redis('PSETEX', KEYS[key], ends - clock, packed) end
  values[key], reply[told + 1], reply[told + 2], reply[told + 3], reply[told + 4] = packed, -1, t, left, tokensLeft
  told = told + 4
  return true
end
