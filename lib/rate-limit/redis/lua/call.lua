-- What every call starts with: Redis's clock, the request, and the keys of fast-path takes, read with one MGET
-- because a command costs as much as a decision. `values[i]` is a packed key state, or false if the key is missing.
--
-- ARGV[1] is JSON: { limits, operations, number of fast-path keys, number of the mark's key, its time to live }.
-- With a mark (onDataLoss: 'refuse'), `since` is the time at which Redis was found without it: nothing is known of
-- what was taken before.
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
