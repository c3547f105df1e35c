/**
 * The first half of the script of the Redis store: what a key remembers, with the arithmetic of the engines (`rate-limit.key-state.ts`,
 * `rate-limit.window-log.ts`). A key is read once and written once per call, whatever happens to it between, and lives as long as it says more
 * than a key never seen.
 */
export const STATE_SCRIPT = `
local time = redis.call('TIME')
local clock = time[1] * 1000 + math.floor(time[2] / 1000)
local call = cjson.decode(ARGV[1])
local policies, operations = call[1], call[2]
local CODES, MERGES, EXACT, PARTS = 8, 60, 4, 1000
local SECOND, MINUTE, TOKENS, CONCURRENCY = 1, 2, 5, 6
local NEVER, LONGEST = math.huge, 2592000000
local states, order, reply = {}, {}, {}

local function windowOf(s, id)
  local w = s.windows[id]
  if not w then
    w = { length = math.floor(id / CODES), start = 0, requests = 0, tokens = 0, at = {}, r = {}, k = {} }
    s.windows[id] = w
  end
  return w
end

local function stateOf(key)
  local s = states[key]
  if s then return s end
  s = { key = key, now = clock, windows = {} }
  states[key], order[#order + 1] = s, s
  local packed = redis.call('GET', KEYS[key])
  if not packed then return s end
  local f = cmsgpack.unpack(packed)
  local base = f[1]
  s.now = math.max(base, clock)
  if f[2] then s.level, s.levelAt, s.rate, s.burst = f[2], base - f[3], f[4], f[5] end
  local i = 6
  while i < #f do
    local w, last = windowOf(s, f[i]), i + 2 + f[i + 2] * 3
    w.start = base - f[i + 1]
    for j = i + 3, last, 3 do
      local at = base - f[j]
      if s.now - at < w.length then
        local n = #w.at + 1
        w.at[n], w.r[n], w.k[n] = at, f[j + 1], f[j + 2]
        w.requests, w.tokens = w.requests + f[j + 1], w.tokens + f[j + 2]
      end
    end
    i = last + 1
  end
  return s
end

local function waitForLevel(level, wanted, rate)
  if level >= wanted then return 0 end
  local ms = math.ceil((wanted - level) / rate)
  while ms < 2 ^ 53 and level + ms * rate < wanted do ms = ms + 1 end
  return ms < 2 ^ 53 and ms or NEVER
end

local function levelOf(s, rate, burst)
  if not s.level then return burst * PARTS end
  return math.min(burst * PARTS, s.level + (s.now - s.levelAt) * rate)
end

local function write(s)
  local f, ttl = { s.now, false, 0, 0, 0 }, 0
  if s.level then
    f[2], f[3], f[4], f[5] = s.level, s.now - s.levelAt, s.rate, s.burst
    ttl = waitForLevel(levelOf(s, s.rate, s.burst), s.burst * PARTS, s.rate)
  end
  for id, w in pairs(s.windows) do
    local n = #w.at
    if n > 0 then
      local to = #f
      f[to + 1], f[to + 2], f[to + 3] = id, s.now - w.start, n
      for i = 1, n do
        to = to + 3
        f[to + 1], f[to + 2], f[to + 3] = s.now - w.at[i], w.r[i], w.k[i]
      end
      ttl = math.max(ttl, w.at[n] + w.length - s.now)
    end
  end
  if ttl > 0 then
    redis.call('SET', KEYS[s.key], cmsgpack.pack(f), 'PX', string.format('%.0f', math.min(ttl, LONGEST) + s.now - clock))
  else
    redis.call('DEL', KEYS[s.key])
  end
end

local function add(w, at, requests, tokens)
  local n = #w.at
  w.requests, w.tokens = w.requests + requests, w.tokens + tokens
  if n > 0 and (w.at[n] == at or n >= EXACT and (at - w.start) * MERGES < w.length) then
    w.at[n], w.r[n], w.k[n] = at, w.r[n] + requests, w.k[n] + tokens
  else
    w.at[n + 1], w.r[n + 1], w.k[n + 1], w.start = at, requests, tokens, at
  end
end

local function adjust(w, since, requests, tokens)
  for i = 1, #w.at do
    if w.at[i] >= since then
      local r, k = math.max(0, w.r[i] + requests), math.max(0, w.k[i] + tokens)
      w.requests, w.tokens = w.requests + r - w.r[i], w.tokens + k - w.k[i]
      w.r[i], w.k[i] = r, k
      return
    end
  end
end

local function waitFor(w, counts, over, now)
  for i = 1, #w.at do
    over = over - counts[i]
    if over <= 0 then return w.at[i] + w.length - now end
  end
  return NEVER
end

local function emptyIn(w, now)
  local n = #w.at
  return n == 0 and 0 or w.at[n] + w.length - now
end

local function running(slots, now)
  return redis.call('ZCOUNT', KEYS[slots], '(' .. string.format('%.0f', now), '+inf')
end
`;
