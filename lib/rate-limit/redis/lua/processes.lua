-- Counts the processes that share budgets.
--
--   sorted set  PROCESS by the time until which it counts without another beat
--
-- KEYS[1]: the set. ARGV: the process, and how long it counts, in ms. Returns the number of processes, and 1 for a new one.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local isNew = redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { redis.call('ZCARD', KEYS[1]), isNew }
