-- Writes a record if its revision is the next one and no other record has its alias, and tells the other processes.
-- KEYS: the hash of records, the hash of aliases (public id of each). ARGV: public id, record as JSON, its revision, channel, its
-- alias or ''.
-- Answer: 1; 0 where another process was first; -1 where another record has the alias.
local id, alias = ARGV[1], ARGV[5]
local current = redis.call('HGET', KEYS[1], id)
-- A text that is no record has no revision: a caller that could read it was first.
local function decoded(text)
  local isRecord, record = pcall(cjson.decode, text)
  return isRecord and type(record) == 'table' and record or {}
end
local before = current and decoded(current) or {}
local revision = current and (tonumber(before.revision) or 1) or 0
if tonumber(ARGV[3]) ~= revision + 1 then return 0 end
if alias ~= (before.alias or '') then
  local owner = redis.call('HGET', KEYS[2], alias)
  local other = owner and owner ~= id and redis.call('HGET', KEYS[1], owner)
  -- A record that was removed by hand has left its alias.
  if alias ~= '' and other and decoded(other).alias == alias then return -1 end
  if type(before.alias) == 'string' and redis.call('HGET', KEYS[2], before.alias) == id then redis.call('HDEL', KEYS[2], before.alias) end
  if alias ~= '' then redis.call('HSET', KEYS[2], alias, id) end
end
redis.call('HSET', KEYS[1], id, ARGV[2])
redis.call('PUBLISH', ARGV[4], id)
return 1
