-- One exchange of what processes have learned about the tokens of models, on Redis's clock.
-- KEYS[1] is the prefix of the keys: one hash a model, with a field for each process: its time in ms, `|`, JSON.
-- They share a hash tag, so a Cluster keeps them on one node.
--
-- ARGV: this process, ms after which a field is too old, most fields of a model, number of models to write,
--   (model, JSON)*, then the models to read.
-- Answer: for each model to read, the JSON of other processes.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local me, ttl, most = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local read = 5 + 2 * tonumber(ARGV[4])

local function keyOf(model) return KEYS[1] .. model end

-- A key of another type, which other programs may have written, is replaced.
local function ask(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  if not string.find(reply.err, 'WRONGTYPE', 1, true) then error(reply.err, 0) end
  redis.call('DEL', key)
  return redis.call(command, key, ...)
end

-- Fields that are not too old or too long, the oldest first; deletes the others.
local function fields(key)
  local all, kept = ask('HGETALL', key), {}
  for i = 1, #all, 2 do
    local at, json
    if #all[i] + #all[i + 1] <= LONGEST then at, json = string.match(all[i + 1], '^(%d+)|(.*)$') end
    at = tonumber(at)
    if at and math.abs(now - at) < ttl then kept[#kept + 1] = { at, all[i], json }
    else redis.call('HDEL', key, all[i]) end
  end
  table.sort(kept, function(a, b) return a[1] < b[1] or (a[1] == b[1] and a[2] < b[2]) end)
  return kept
end

for i = 5, read - 1, 2 do
  local key = keyOf(ARGV[i])
  ask('HSET', key, me, string.format('%.0f|', now) .. ARGV[i + 1])
  local known = fields(key)
  for j = 1, #known - most do redis.call('HDEL', key, known[j][2]) end
  redis.call('PEXPIRE', key, ttl)
end

local answer = {}
for i = read, #ARGV do
  local others = {}
  for _, field in ipairs(fields(keyOf(ARGV[i]))) do
    if field[2] ~= me then others[#others + 1] = field[3] end
  end
  answer[#answer + 1] = others
end
return answer
