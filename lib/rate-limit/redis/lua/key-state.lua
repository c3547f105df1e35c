-- The state of one key, with the arithmetic of the engines (algorithm/key-state, algorithm/window-log).
-- A key is read once and written once a call, and lives as long as it differs from a key never seen.
--
--   state   = last, ends, window*, bucket?           each a 64-bit float, little endian
--   window  = id, requests, tokens, start, oldest, newest, newRequests, newTokens, #older, older
--   older   = (at, requests, tokens)*                all instants but the newest, as one string
--   bucket  = rate, burst, level, levelAt
--
-- Most decisions change only the newest instant and the sums, so `older` is copied as it is.
local EMPTY = { 0, 0, 0, 0, 0, NEVER, -NEVER, 0, 0, '' }

local function newState()
  return { clock, 0, -1, 0, 0, 0, false, nil }
end

local function newWindow(id)
  return { id, floor(id / CODES), 0, 0, 0, NEVER, -NEVER, 0, 0, '' }
end

local function prune(w, t)
  local older, length, from = w[OLDER], w[LENGTH], 1
  while from < #older do
    local at, requests, tokens = unpack_bytes('<ddd', older, from)
    if t - at < length then
      w[OLDER], w[OLDEST] = sub(older, from), at
      return
    end
    w[ALL_REQUESTS], w[ALL_TOKENS], from = w[ALL_REQUESTS] - requests, w[ALL_TOKENS] - tokens, from + INSTANT_BYTES
  end
  w[OLDER], w[OLDEST] = '', w[NEWEST]
  if t - w[NEWEST] < length then return end
  w[ALL_REQUESTS], w[ALL_TOKENS], w[NEW_REQUESTS], w[NEW_TOKENS], w[OLDEST], w[NEWEST] = 0, 0, 0, 0, NEVER, -NEVER
end

local function windowIn(s, id)
  for i = FIRST_WINDOW, #s do
    if s[i][ID] == id then return s[i] end
  end
end

local function stateOf(key)
  local s = states[key]
  if s then return s end
  s = newState()
  states[key] = s
  local packed = values[key]
  if packed == nil then packed = call_redis('GET', KEYS[key]) end
  if not packed then return s end
  local last, ends, from = unpack_bytes('<dd', packed)
  local t = max(last, clock)
  s[LAST], s[ENDS] = t, ends
  local size = #packed
  while size - from > BUCKET_BYTES do
    local id, requests, tokens, start, oldest, newest, newRequests, newTokens, older, next = unpack_bytes('<dddddddddc0', packed, from)
    local length = floor(id / CODES)
    local w = { id, length, requests, tokens, start, oldest, newest, newRequests, newTokens, older }
    if t - oldest >= length then prune(w, t) end
    s[#s + 1], from = w, next
  end
  if from < size then s[RATE], s[BURST], s[LEVEL], s[LEVEL_AT] = unpack_bytes('<dddd', packed, from) end
  return s
end

local function waitForLevel(level, wanted, rate)
  if level >= wanted then return 0 end
  local ms = ceil((wanted - level) / rate)
  local step = 1
  while ms < 2 ^ 53 and level + ms * rate < wanted do ms, step = ms + step, step * 2 end
  return ms < 2 ^ 53 and ms or NEVER
end

local function levelOf(s, rate, burst)
  if s[RATE] < 0 then return min(burst * PARTS, (clock - since) * rate) end
  return min(burst * PARTS, s[LEVEL] + (s[LAST] - s[LEVEL_AT]) * rate)
end

local function packed(s)
  local w = s[FIRST_WINDOW]
  local bytes = w and pack('<dddddddddddc0', s[LAST], s[ENDS],
    w[ID], w[ALL_REQUESTS], w[ALL_TOKENS], w[START], w[OLDEST], w[NEWEST], w[NEW_REQUESTS], w[NEW_TOKENS], #w[OLDER], w[OLDER])
    or pack('<dd', s[LAST], s[ENDS])
  for i = FIRST_WINDOW + 1, #s do
    w = s[i]
    bytes = bytes .. pack('<dddddddddc0',
      w[ID], w[ALL_REQUESTS], w[ALL_TOKENS], w[START], w[OLDEST], w[NEWEST], w[NEW_REQUESTS], w[NEW_TOKENS], #w[OLDER], w[OLDER])
  end
  return s[RATE] < 0 and bytes or bytes .. pack('<dddd', s[RATE], s[BURST], s[LEVEL], s[LEVEL_AT])
end

local function write(key, s)
  local t, ttl = s[LAST], 0
  if s[RATE] >= 0 then ttl = waitForLevel(levelOf(s, s[RATE], s[BURST]), s[BURST] * PARTS, s[RATE]) end
  for i = #s, FIRST_WINDOW, -1 do
    local left = s[i][NEWEST] + s[i][LENGTH] - t
    if left > 0 then ttl = max(ttl, left) else table.remove(s, i) end
  end
  if ttl <= 0 then
    call_redis('DEL', KEYS[key])
    return
  end
  ttl = min(ttl, LONGEST_MS)
  if t + ttl <= s[ENDS] then
    call_redis('SET', KEYS[key], packed(s), 'KEEPTTL')
  else
    s[ENDS] = t + ttl + slackOf(ttl)
    call_redis('PSETEX', KEYS[key], s[ENDS] - clock, packed(s))
  end
end

local function add(w, at, requests, tokens)
  w[ALL_REQUESTS], w[ALL_TOKENS] = w[ALL_REQUESTS] + requests, w[ALL_TOKENS] + tokens
  local newest, older = w[NEWEST], w[OLDER]
  if newest == at or #older >= EXACT_BYTES and (at - w[START]) * MERGES < w[LENGTH] then
    w[NEWEST], w[NEW_REQUESTS], w[NEW_TOKENS] = at, w[NEW_REQUESTS] + requests, w[NEW_TOKENS] + tokens
    return
  end
  if newest > 0 then w[OLDER] = older .. pack('<ddd', newest, w[NEW_REQUESTS], w[NEW_TOKENS]) else w[OLDEST] = at end
  w[START], w[NEWEST], w[NEW_REQUESTS], w[NEW_TOKENS] = at, at, requests, tokens
end

local function adjust(w, taken, requests, tokens)
  local older, from = w[OLDER], 1
  local at, hadRequests, hadTokens
  while from < #older do
    at, hadRequests, hadTokens = unpack_bytes('<ddd', older, from)
    if at >= taken then break end
    from = from + INSTANT_BYTES
  end
  if from > #older then at, hadRequests, hadTokens = w[NEWEST], w[NEW_REQUESTS], w[NEW_TOKENS] end
  if at < taken or (at - taken) * MERGES >= w[LENGTH] then return end
  requests, tokens = max(0, hadRequests + requests), max(0, hadTokens + tokens)
  w[ALL_REQUESTS], w[ALL_TOKENS] = w[ALL_REQUESTS] + requests - hadRequests, w[ALL_TOKENS] + tokens - hadTokens
  if from > #older then
    w[NEW_REQUESTS], w[NEW_TOKENS] = requests, tokens
  else
    w[OLDER] = sub(older, 1, from - 1) .. pack('<ddd', at, requests, tokens) .. sub(older, from + INSTANT_BYTES)
  end
end

local function waitFor(w, over, ofTokens, t)
  local older = w[OLDER]
  for from = 1, #older, INSTANT_BYTES do
    local at, requests, tokens = unpack_bytes('<ddd', older, from)
    over = over - (ofTokens and tokens or requests)
    if over <= 0 then return at + w[LENGTH] - t end
  end
  over = over - (ofTokens and w[NEW_TOKENS] or w[NEW_REQUESTS])
  return over <= 0 and w[NEWEST] + w[LENGTH] - t or NEVER
end

local function emptyIn(w, t)
  return max(w[NEWEST] + w[LENGTH] - t, 0)
end
