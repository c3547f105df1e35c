-- Writes a record if its revision is the next one, and tells the other processes.
-- KEYS[1]: the hash of records. ARGV: public id, record as JSON, its revision, channel.
-- Answer: 1, or 0 where another process was first.
local current = redis.call('HGET', KEYS[1], ARGV[1])
local revision = 0
if current then revision = tonumber(cjson.decode(current).revision) or 1 end
if tonumber(ARGV[3]) ~= revision + 1 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 1
