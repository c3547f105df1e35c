/**
 * The usual request, in the script of the Redis store: of one key under one window, and it passes. It is decided in a straight line, as the other functions would
 * (`rate-limit-script.redis.ts`). All keys of such requests are read at once, and written once each, however often they are asked about: a command costs as much as a
 * decision.
 *
 * `values` are keys as they are packed, `false` for one that is not there; `changed` says of those that are to be written when they expire.
 */
export const USUAL_SCRIPT = `
local function fetchUsual()
  local keys, names, at, count = {}, {}, 1, #operations
  while at < count do
    if operations[at] == 0 then
      local key = operations[at + 3]
      if values[key] == nil then
        values[key] = false
        keys[#keys + 1], names[#names + 1] = key, KEYS[key]
      end
      at = at + 5
    else
      local first = at + 2 + operations[at + 1]
      at = first + 3 * operations[first] + 1
    end
  end
  if #keys == 0 then return end
  for i, packed in ipairs(call_redis('MGET', unpack(names))) do values[keys[i]] = packed end
end

local function takeUsual(key, p, cost, tokens)
  if #p ~= 6 or p[1] >= 0 or p[4] >= 0 or since > 0 or cost == 0 or states[key] then return false end
  local id, most, mostTokens, t, ends = p[5], p[6], p[3], clock, 0
  local requests, taken, start, oldest, newest, newRequests, newTokens, older, length = 0, 0, 0, NEVER, -NEVER, 0, 0, '', floor(id / CODES)
  local packed = values[key]
  if packed then
    local here, last, next
    if #packed < ONE_WINDOW_BYTES then return false end
    last, ends, here, requests, taken, start, oldest, newest, newRequests, newTokens, older, next = unpack_bytes('<dddddddddddc0', packed)
    t = max(last, t)
    if here ~= id or next <= #packed or t - oldest >= length then return false end
  end
  requests, taken, tokens = requests + cost, taken + (id == MINUTE_ID and tokens or 0), id == MINUTE_ID and tokens or 0
  local left, tokensLeft, tokensReset, limit, at = NEVER, NEVER, 0, most, max(t, newest)
  if most >= 0 then left = most - requests else limit = mostTokens end
  if mostTokens >= 0 then tokensLeft, tokensReset = mostTokens - taken, length end
  if left < 0 or tokensLeft < 0 then return false end
  if newest == at or #older >= EXACT_BYTES and (at - start) * MERGES < length then
    newRequests, newTokens = newRequests + cost, newTokens + tokens
  else
    if newest > 0 then older = older .. pack('<ddd', newest, newRequests, newTokens) else oldest = at end
    start, newRequests, newTokens = at, cost, tokens
  end
  local keeps = at + length <= ends
  if not keeps then ends = ceil(at + length + (at + length - t) / SLACK) end
  packed = pack('<dddddddddddc0', t, ends, id, requests, taken, start, oldest, at, newRequests, newTokens, #older, older)
  values[key] = packed
  changed[key] = not keeps and ends or changed[key] or KEEPS
  reply[#reply + 1] = pack('<ddddddddddd', 0, 0, 0, at, 0, 0, limit, left, tokensLeft, length, tokensReset)
  return true
end

local function writeUsual()
  for key, ends in pairs(changed) do
    if ends == KEEPS then call_redis('SET', KEYS[key], values[key], 'KEEPTTL') else call_redis('PSETEX', KEYS[key], ends - clock, values[key]) end
  end
end
`;
