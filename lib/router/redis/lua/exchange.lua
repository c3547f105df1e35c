-- One exchange between routers: reports what this member does, answers what the others do, on Redis's clock.
-- KEYS[1] is the prefix of all keys; they share its hash tag, so a Cluster keeps them on one node.
--
-- ARGV: member, its group (members of one group see each other's state without Redis), ms after which a silent
--   member no longer counts, then four lists, each with its length first:
--   (id, in flight)*, (id, requests, tokens)*, (id, cooldown ms left)*, (budget, USD spent, period ms)*
-- Answer: { members, (id, in flight)*, (id|r or id|t, count)* of this minute, (id, cooldown ms left)*,
--   (budget, total USD, ms left)* }, without what this group reported itself.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local minute = math.floor(now / 60000)
local prefix, me, group, ttl = KEYS[1] .. ':', ARGV[1], ARGV[2], tonumber(ARGV[3])
local members, cooldowns = prefix .. 'members', prefix .. 'cooldowns'
local own = prefix .. 'under-way:' .. me
local at = 4
local function list(width)
  local count = tonumber(ARGV[at])
  at = at + 1
  local entries = {}
  for i = 1, count do
    entries[i] = {}
    for j = 1, width do entries[i][j] = ARGV[at]; at = at + 1 end
  end
  return entries
end

redis.call('DEL', own)
for _, entry in ipairs(list(2)) do redis.call('HSET', own, entry[1], entry[2]) end
redis.call('PEXPIRE', own, ttl)
redis.call('ZADD', members, now, me .. '|' .. group)
redis.call('ZREMRANGEBYSCORE', members, '-inf', now - ttl)
redis.call('PEXPIRE', members, 600000)

local all, mine = prefix .. 'usage:' .. minute, prefix .. 'usage:' .. minute .. ':' .. group
for _, entry in ipairs(list(3)) do
  for _, key in ipairs({ all, mine }) do
    redis.call('HINCRBY', key, entry[1] .. '|r', entry[2])
    redis.call('HINCRBY', key, entry[1] .. '|t', entry[3])
    redis.call('PEXPIRE', key, 120000)
  end
end

for _, entry in ipairs(list(2)) do
  local ends = now + tonumber(entry[2])
  local known = tonumber(redis.call('HGET', cooldowns, entry[1]) or '0')
  if ends > known then redis.call('HSET', cooldowns, entry[1], string.format('%.0f', ends)) end
  redis.call('PEXPIRE', cooldowns, 86400000)
end

local budgets = {}
for _, entry in ipairs(list(3)) do
  local key = prefix .. 'spent:' .. entry[1]
  local total = tonumber(entry[2]) > 0 and redis.call('INCRBYFLOAT', key, entry[2]) or redis.call('GET', key)
  if total then
    if redis.call('PTTL', key) < 0 then redis.call('PEXPIRE', key, entry[3]) end
    budgets[#budgets + 1] = entry[1]
    budgets[#budgets + 1] = total
    budgets[#budgets + 1] = redis.call('PTTL', key)
  end
end

local inFlight, count = {}, 0
for _, member in ipairs(redis.call('ZRANGE', members, 0, -1)) do
  count = count + 1
  local bar = string.find(member, '|', 1, true)
  if string.sub(member, bar + 1) ~= group then
    local held = redis.call('HGETALL', prefix .. 'under-way:' .. string.sub(member, 1, bar - 1))
    for i = 1, #held, 2 do inFlight[held[i]] = (inFlight[held[i]] or 0) + tonumber(held[i + 1]) end
  end
end
local flat = {}
for id, value in pairs(inFlight) do flat[#flat + 1] = id; flat[#flat + 1] = string.format('%.0f', value) end

local usage = redis.call('HGETALL', all)
for i = 1, #usage, 2 do
  local less = tonumber(redis.call('HGET', mine, usage[i]) or '0')
  usage[i + 1] = string.format('%.0f', tonumber(usage[i + 1]) - less)
end

local cooling, ended = {}, {}
local known = redis.call('HGETALL', cooldowns)
for i = 1, #known, 2 do
  local left = tonumber(known[i + 1]) - now
  if left > 0 then
    cooling[#cooling + 1] = known[i]
    cooling[#cooling + 1] = string.format('%.0f', left)
  else ended[#ended + 1] = known[i] end
end
for _, id in ipairs(ended) do redis.call('HDEL', cooldowns, id) end
return { count, flat, usage, cooling, budgets }
