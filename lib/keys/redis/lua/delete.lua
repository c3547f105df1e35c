-- Removes a record and its alias, and tells the other processes.
-- KEYS: the hash of records, the hash of aliases. ARGV: public id, channel. Answer: the number of removed records.
local current = redis.call('HGET', KEYS[1], ARGV[1])
if not current then return 0 end
-- A text that is no record can be removed, too.
local isRecord, record = pcall(cjson.decode, current)
local alias = isRecord and type(record) == 'table' and record.alias
if type(alias) == 'string' and redis.call('HGET', KEYS[2], alias) == ARGV[1] then redis.call('HDEL', KEYS[2], alias) end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('PUBLISH', ARGV[2], ARGV[1])
return 1
