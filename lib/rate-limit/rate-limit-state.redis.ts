/**
 * The first half of the script of the Redis store: what a key remembers, with the arithmetic of the engines (`rate-limit.key-state.ts`,
 * `rate-limit.window-log.ts`). A key is read once and written once per call, whatever happens to it between, and lives as long as it says more
 * than a key never seen.
 *
 * Where a mark is kept, `since` is when Redis was found without it: what was taken before is not known.
 */
export const STATE_SCRIPT = `
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local call = cjson.decode(ARGV[1])
local policies, operations = call[1], call[2]
local SECOND, TOKENS, CONCURRENCY = 1, 5, 6
local CODES, MINUTE_ID = 8, 480002
local MERGES, EXACT, PARTS, SLACK = 60, 4, 1000, 8
local BASE, T, LEVEL, LEVEL_AT, RATE, BURST, ENDS, FIRST_WINDOW = 1, 2, 3, 4, 5, 6, 7, 8
local NEVER, LONGEST = math.huge, 2592000000
local EMPTY = { 0, 0, 0 }
local ceil, floor, max, min, pack = math.ceil, math.floor, math.max, math.min, struct.pack
local states, dirty, reply = {}, {}, {}

local since = 0
if call[3] then
  since = tonumber(redis.call('GET', KEYS[call[3]]) or clock)
  if since == clock then redis.call('SET', KEYS[call[3]], clock) end
end

local function lengthOf(id)
  return floor(id / CODES)
end

local function prune(w, length, t)
  local size, from = #w, 4
  while from < size and t - w[from] >= length do
    w[2], w[3] = w[2] - w[from + 1], w[3] - w[from + 2]
    from = from + 3
  end
  if from == 4 then return end
  local to = 4
  for i = from, size do
    w[to] = w[i]
    to = to + 1
  end
  for i = to, size do w[i] = nil end
end

local function windowIn(s, id)
  for i = FIRST_WINDOW, #s, 2 do
    if s[i] == id then return s[i + 1] end
  end
end

local function stateOf(key)
  local s = states[key]
  if s then return s end
  local packed = redis.call('GET', KEYS[key])
  if packed then
    s = cmsgpack.unpack(packed)
    local t = max(s[T], clock - s[BASE])
    s[T] = t
    for i = FIRST_WINDOW, #s, 2 do
      local length, w = lengthOf(s[i]), s[i + 1]
      if t - w[4] >= length then prune(w, length, t) end
    end
  else
    s = { clock, 0, false, 0, 0, 0, 0 }
  end
  states[key] = s
  return s
end

local function waitForLevel(level, wanted, rate)
  if level >= wanted then return 0 end
  local ms = ceil((wanted - level) / rate)
  while ms < 2 ^ 53 and level + ms * rate < wanted do ms = ms + 1 end
  return ms < 2 ^ 53 and ms or NEVER
end

local function levelOf(s, rate, burst)
  if not s[LEVEL] then return min(burst * PARTS, (clock - since) * rate) end
  return min(burst * PARTS, s[LEVEL] + (s[T] - s[LEVEL_AT]) * rate)
end

local function write(key)
  local s, ttl = states[key], 0
  if s[LEVEL] then ttl = waitForLevel(levelOf(s, s[RATE], s[BURST]), s[BURST] * PARTS, s[RATE]) end
  for i = #s - 1, FIRST_WINDOW, -2 do
    local w = s[i + 1]
    local size = #w
    if size > 3 then
      ttl = max(ttl, w[size - 2] + lengthOf(s[i]) - s[T])
    else
      table.remove(s, i)
      table.remove(s, i)
    end
  end
  ttl = min(ttl, LONGEST)
  local ends = ttl + s[T]
  if ttl <= 0 then
    redis.call('DEL', KEYS[key])
  elseif ends <= s[ENDS] then
    redis.call('SET', KEYS[key], cmsgpack.pack(s), 'KEEPTTL')
  else
    s[ENDS] = ceil(ends + ttl / SLACK)
    redis.call('PSETEX', KEYS[key], s[ENDS] + s[BASE] - clock, cmsgpack.pack(s))
  end
end

local function add(w, length, at, requests, tokens)
  local size = #w
  w[2], w[3] = w[2] + requests, w[3] + tokens
  if size > 3 and (w[size - 2] == at or size > EXACT * 3 and (at - w[1]) * MERGES < length) then
    w[size - 2], w[size - 1], w[size] = at, w[size - 1] + requests, w[size] + tokens
  else
    w[1], w[size + 1], w[size + 2], w[size + 3] = at, at, requests, tokens
  end
end

local function adjust(w, since, requests, tokens)
  for i = 4, #w, 3 do
    if w[i] >= since then
      local r, k = max(0, w[i + 1] + requests), max(0, w[i + 2] + tokens)
      w[2], w[3] = w[2] + r - w[i + 1], w[3] + k - w[i + 2]
      w[i + 1], w[i + 2] = r, k
      return
    end
  end
end

local function waitFor(w, length, field, over, t)
  for i = 4, #w, 3 do
    over = over - w[i + field]
    if over <= 0 then return w[i] + length - t end
  end
  return NEVER
end

local function emptyIn(w, length, t)
  local size = #w
  return size > 3 and w[size - 2] + length - t or 0
end
`;
