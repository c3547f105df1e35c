/** What is said by name in the script and stands there as a number: a name of Lua would cost each function that says it, in each call. */
const NUMBERS = {
  // Codes of a decision.
  SECOND: 1,
  TOKENS: 5,
  CONCURRENCY: 6,
  // A window is called by its length and its code: that of a minute is the one that tokens are counted in.
  CODES: 8,
  MINUTE_ID: 480_002,
  // In the place of what a reset has forgotten: it holds nothing but when that was.
  RESET_ID: 480_000,
  MINUTE_MS: 60_000,
  // As in the engines.
  MERGES: 60,
  PARTS: 1_000,
  LONGEST_MS: 2_592_000_000,
  // A time to live is renewed when an eighth of it has gone by, of one of a minute half: to set one takes Redis twice as long as to keep it.
  SLACK: 8,
  LONG_SLACK: 2,
  MOST_LONG_SLACK_MS: 30_000,
  // Of a state: its time, when it expires in Redis, the bucket that it was left with (a rate below 0 is none), whether it has changed, its windows.
  LAST: 1,
  ENDS: 2,
  RATE: 3,
  BURST: 4,
  LEVEL: 5,
  LEVEL_AT: 6,
  CHANGED: 7,
  FIRST_WINDOW: 8,
  // Of a window: what is taken in all, the instants, of which the newest is at hand and the others are in a string.
  ID: 1,
  LENGTH: 2,
  ALL_REQUESTS: 3,
  ALL_TOKENS: 4,
  START: 5,
  OLDEST: 6,
  NEWEST: 7,
  NEW_REQUESTS: 8,
  NEW_TOKENS: 9,
  OLDER: 10,
  INSTANT_BYTES: 24,
  // Three that are not the newest: with it as many as are each kept by itself.
  EXACT_BYTES: 72,
  BUCKET_BYTES: 32,
  ONE_WINDOW_BYTES: 88,
  // So many values of a function as Lua is sure to have room for.
  MOST_AT_ONCE: 1_000,
} as const;

/** The script as Redis gets it. */
export function withNumbers(script: string): string {
  return script.replace(/\b[A-Z][A-Z_]+\b/g, (name) => String(NUMBERS[name as keyof typeof NUMBERS] ?? name));
}

/**
 * What every call begins with: Redis's clock, what is asked, and the keys of usual requests, read at once: a command costs as much as a decision. `values` are keys
 * as they are packed, `false` for one that is not there.
 *
 * Where a mark is kept, `since` is when Redis was found without it: what was taken before is not known.
 */
export const CALL_SCRIPT = `
local call_redis, ceil, floor, max, min, pack, sub, unpack_bytes =
  redis.call, math.ceil, math.floor, math.max, math.min, struct.pack, string.sub, struct.unpack
local time = call_redis('TIME')
local clock = time[1] * 1000 + floor(time[2] / 1000)
local call = cjson.decode(ARGV[1])
local policies, operations = call[1], call[2]
local NEVER = math.huge
local states, reply, told = {}, {}, 0
local values = call[3] > 0 and call_redis('MGET', unpack(KEYS, 1, call[3])) or {}

local since = 0
if call[4] then
  since = tonumber(call_redis('GET', KEYS[call[4]]) or clock)
  if since == clock then call_redis('SET', KEYS[call[4]], clock) end
end

local function slackOf(ttl)
  return ceil(max(ttl / SLACK, min(ttl / LONG_SLACK, MOST_LONG_SLACK_MS)))
end
`;

/**
 * The middle of the script of the Redis store: what a key remembers, with the arithmetic of the engines (`rate-limit.key-state.ts`,
 * `rate-limit.window-log.ts`). A key is read once and written once per call, whatever happens to it between, and lives as long as it says more
 * than a key never seen.
 *
 * Of a window's instants the newest is at hand and the others are one string: most decisions change the newest and the sums, and leave that string as it
 * is. In Redis a state is its numbers of 64 bits, one behind the other: time and end, each window, and the bucket, if there is one.
 */
export const STATE_SCRIPT = `
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
`;
