-- Takes one from each bucket in turn, then a place among those that run at once. The first that
-- refuses ends it; what was taken before stays taken. The clock is the server's.
--
-- KEYS  one per bucket, then perhaps that of the places
-- ARGV  per bucket: microseconds between two, how many; then perhaps: most places, microseconds
--       until a place that nobody gave back is free, the name of this one
-- Answers {now, refused (0: nothing was), microseconds to wait, then per bucket that gave: how many
-- are left, microseconds until it is full}. Times are microseconds.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local buckets = #KEYS
local places = #ARGV - 2 * #KEYS == 1
if places then buckets = buckets - 1 end
local answer = {now, 0, 0}
for i = 1, buckets do
  local interval, count = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local span = interval * count
  -- The theoretical arrival time (GCRA): when the bucket is full again. After a clock that was set
  -- back it may lie further ahead than a bucket is deep; then the bucket is empty, and no worse.
  local full = math.min(math.max(tonumber(redis.call('GET', KEYS[i]) or now), now), now + span)
  local due = full + interval
  if due > now + span then
    answer[2], answer[3] = i, due - now - span
    return answer
  end
  redis.call('SET', KEYS[i], string.format('%.0f', due), 'PX', math.ceil((due - now) / 1000) + 1)
  answer[2 * i + 2] = math.floor((now + span - due) / interval)
  answer[2 * i + 3] = due - now
end
if places then
  local key, at = KEYS[#KEYS], 2 * buckets
  local most, lifetime, name = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
  -- After a clock that was set back far: no place is held for longer than an hour.
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + 3600000000), '+inf')
  if redis.call('ZCARD', key) >= most then
    answer[2], answer[3] = buckets + 1, 1000000
    return answer
  end
  redis.call('ZADD', key, string.format('%.0f', now + lifetime), name)
  -- Others may end later than this one.
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')
  redis.call('PEXPIRE', key, math.ceil((tonumber(last[2]) - now) / 1000) + 1)
end
return answer
