-- What one process may use of an upstream's limits for a while: calls of its rate, and slots of those
-- that run at once. The clock is the server's; times are microseconds.
--
-- KEYS  the upstream's state, a hash: `due` (when the rate is full again), `pause` (until when nobody
--       calls), and for each process `slots,ends,hungry,open`
-- ARGV  1 the process, 2 microseconds between two calls, 3 the burst, 4 calls wanted, 5 calls given back,
--       6 most slots of all processes, 7 slots wanted, 8 slots in use, 9 does it wait for slots (0 or 1),
--       10 for how long the upstream sent all away, 11 is its breaker open (0 or 1),
--       12 for how long slots are lent
-- Answers {calls granted, microseconds until there is another, slots granted, microseconds of pause,
-- processes that share, others that wait for slots, others whose breaker is open}.
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local me = 'r:' .. ARGV[1]
local n = {}
for i = 2, 12 do n[i] = tonumber(ARGV[i]) end
local lent = n[12]
local function whole(number) return string.format('%.0f', number) end

local due, pause = now, 0
local taken, sharing, hungry, open = 0, 1, 0, 0
local state = redis.call('HGETALL', KEYS[1])
for i = 1, #state, 2 do
  local field, value = state[i], state[i + 1]
  if field == 'due' then due = tonumber(value)
  elseif field == 'pause' then pause = tonumber(value)
  elseif field ~= me then
    local slots, ends, waits, broken = string.match(value, '^(%d+),(%d+),(%d),(%d)$')
    if not ends or tonumber(ends) <= now then
      redis.call('HDEL', KEYS[1], field)
    else
      -- After a clock that was set back nothing is lent for longer than if it were lent now.
      if tonumber(ends) > now + lent then
        local value = slots .. ',' .. whole(now + lent) .. ',' .. waits .. ',' .. broken
        redis.call('HSET', KEYS[1], field, value)
      end
      taken, sharing = taken + slots, sharing + 1
      hungry, open = hungry + waits, open + broken
    end
  end
end

-- GCRA for as many as there are.
local interval = n[2]
local span = interval * n[3]
due = math.min(math.max(due, now), now + span)
due = math.max(due - n[5] * interval, now)
local calls = math.min(n[4], math.floor((now + span - due) / interval))
due = due + calls * interval
local another = math.max(due + interval - now - span, 0)

if n[10] > 0 then pause = math.max(pause, now + n[10]) end
pause = math.min(pause, now + 3600000000)

-- What runs cannot be taken back.
local slots = math.max(math.min(n[7], n[6] - taken), n[8], 0)
if slots == 0 and n[9] == 0 and n[11] == 0 then
  redis.call('HDEL', KEYS[1], me)
else
  local value = whole(slots) .. ',' .. whole(now + lent) .. ',' .. ARGV[9] .. ',' .. ARGV[11]
  redis.call('HSET', KEYS[1], me, value)
end
redis.call('HSET', KEYS[1], 'due', whole(due), 'pause', whole(pause))
local keep = math.max(due - now, pause - now, lent)
redis.call('PEXPIRE', KEYS[1], math.ceil(keep / 1000) + 1000)
return {calls, another, slots, math.max(pause - now, 0), sharing, hungry, open}
