-- One exchange between routers: reports what this member does, answers what the others do, on Redis's clock.
-- KEYS[1] is the prefix of all keys; they share its hash tag, so a Cluster keeps them on one node.
--
-- ARGV: member, its group (members of one group see each other's state without Redis), ms after which a silent
--   member no longer counts, then four lists, each with its length first:
--   (id, in flight)*, (id, requests, tokens)*, (id, cooldown ms left)*,
--   (budget, USD spent, period ms, total USD as this member knows it, ms left of its period)*
-- Values that another program has damaged are dropped: a script that fails half way is sent again with all that it
-- has added before.
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

local function number(text)
  local value = tonumber(text)
  return value and math.abs(value) < 1e15 and value or nil
end
-- Not for other errors, such as a missing permission.
local function isDamage(err)
  for _, said in ipairs({ 'WRONGTYPE', 'not an integer', 'not a valid float', 'overflow' }) do
    if string.find(err, said, 1, true) then return true end
  end
end
local function ask(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not isDamage(reply.err) then error(reply.err, 0) end
  redis.call('DEL', key)
  return redis.call(command, key, ...)
end

redis.call('DEL', own)
for _, entry in ipairs(list(2)) do redis.call('HSET', own, entry[1], entry[2]) end
redis.call('PEXPIRE', own, ttl)
ask('ZADD', members, now, me .. '|' .. group)
redis.call('ZREMRANGEBYSCORE', members, '-inf', now - ttl)
redis.call('ZREMRANGEBYSCORE', members, now + ttl, '+inf')
redis.call('PEXPIRE', members, 600000)

local all, mine = prefix .. 'usage:' .. minute, prefix .. 'usage:' .. minute .. ':' .. group
for _, entry in ipairs(list(3)) do
  for _, key in ipairs({ all, mine }) do
    ask('HINCRBY', key, entry[1] .. '|r', entry[2])
    ask('HINCRBY', key, entry[1] .. '|t', entry[3])
    redis.call('PEXPIRE', key, 120000)
  end
end

for _, entry in ipairs(list(2)) do
  local ends = now + math.min(tonumber(entry[2]), LONGEST)
  local known = number(ask('HGET', cooldowns, entry[1])) or 0
  if ends > known then redis.call('HSET', cooldowns, entry[1], string.format('%.0f', ends)) end
  redis.call('PEXPIRE', cooldowns, LONGEST)
end

local budgets = {}
for _, entry in ipairs(list(5)) do
  local key, added, period = prefix .. 'spent:' .. entry[1], entry[2], tonumber(entry[3])
  local total = ask('GET', key)
  if (number(total) or -1) < 0 then
    -- Lost or damaged: the total as this member knows it, so that no budget begins again.
    redis.call('DEL', key)
    total = nil
    if tonumber(entry[5]) > 0 then added, period = entry[4], math.min(period, tonumber(entry[5])) end
  end
  if tonumber(added) > 0 then total = redis.call('INCRBYFLOAT', key, added) end
  if total then
    local left = redis.call('PTTL', key)
    if left < 0 or left > period then redis.call('PEXPIRE', key, period) end
    budgets[#budgets + 1] = entry[1]
    budgets[#budgets + 1] = total
    budgets[#budgets + 1] = redis.call('PTTL', key)
  end
end

local inFlight, count = {}, 0
for _, member in ipairs(redis.call('ZRANGE', members, 0, -1)) do
  count = count + 1
  local bar = string.find(member, '|', 1, true)
  if bar and string.sub(member, bar + 1) ~= group then
    local held = ask('HGETALL', prefix .. 'under-way:' .. string.sub(member, 1, bar - 1))
    for i = 1, #held, 2 do inFlight[held[i]] = (inFlight[held[i]] or 0) + math.max(number(held[i + 1]) or 0, 0) end
  end
end
local flat = {}
for id, value in pairs(inFlight) do flat[#flat + 1] = id; flat[#flat + 1] = string.format('%.0f', value) end

local usage = ask('HGETALL', all)
for i = 1, #usage, 2 do
  local less = number(ask('HGET', mine, usage[i])) or 0
  usage[i + 1] = string.format('%.0f', (number(usage[i + 1]) or less) - less)
end

local cooling, ended = {}, {}
local known = ask('HGETALL', cooldowns)
for i = 1, #known, 2 do
  local left = (number(known[i + 1]) or 0) - now
  if left > 0 and left <= LONGEST then
    cooling[#cooling + 1] = known[i]
    cooling[#cooling + 1] = string.format('%.0f', left)
  else ended[#ended + 1] = known[i] end
end
for _, id in ipairs(ended) do redis.call('HDEL', cooldowns, id) end
return { count, flat, usage, cooling, budgets }
