-- Removes a record, and tells the other processes.
-- KEYS[1]: the hash of records. ARGV: public id, channel. Answer: the number of removed records.
local removed = redis.call('HDEL', KEYS[1], ARGV[1])
if removed > 0 then redis.call('PUBLISH', ARGV[2], ARGV[1]) end
return removed
