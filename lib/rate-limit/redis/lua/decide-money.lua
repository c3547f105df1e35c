-- Decides about money: a take is all or nothing, over money, requests, tokens and slots of all scopes of one Redis. A budget that is spent
-- denies before any other limit, one that is only held after all.

local function spentIn(a)
  local sum = 0
  for _, part in ipairs(a.parts) do sum = sumOf(sum, part[PART_SPENT]) end
  return sum
end

local function heldIn(a)
  local sum = 0
  for _, part in ipairs(a.parts) do sum = sumOf(sum, part[PART_HELD]) end
  return sum
end

local function limitOf(budgets, j, a)
  return budgets[j + BUDGET_LIMIT] + (a.raisedUntil > clock and a.raised or 0)
end

-- The part of the window that a taking falls into; nothing where the calendar of the caller does not reach to Redis's clock.
local function spanOf(budgets, j, a)
  local newest, kind, length = a.parts[#a.parts], budgets[j + BUDGET_KIND], budgets[j + BUDGET_LENGTH]
  -- Redis's clock may go back when a replica takes over.
  if newest and (newest[PART_START] > clock or kind == FIRST_USE) then return newest[PART_START], newest[PART_END] end
  if kind == FIRST_USE then return clock, clock + length end
  if kind == TOTAL then return 0, NEVER end
  if kind == SLIDING then
    local step = budgets[j + BUDGET_BOUNDS]
    local start = floor(clock / step) * step
    return start, start + step + length
  end
  for i = j + BUDGET_BOUNDS, j + BUDGET_BOUNDS + 2 do
    if clock >= budgets[i] and clock < budgets[i + 1] then return budgets[i], budgets[i + 1] end
  end
end

-- How long nothing is known of what was spent before Redis lost its data; of all time nothing is until somebody says it.
local function blindFor(budgets, j, a, from, to)
  if since == 0 then return 0 end
  if budgets[j + BUDGET_KIND] == TOTAL then return #a.parts > 0 and 0 or NEVER end
  if budgets[j + BUDGET_KIND] == CALENDAR then return since > from and to - clock or 0 end
  return max(since + budgets[j + BUDGET_LENGTH] - clock, 0)
end

local function waitForMoney(a, over)
  local freed = 0
  for _, part in ipairs(a.parts) do
    freed = freed + part[PART_SPENT]
    if freed >= over then return part[PART_END] - clock end
  end
  return NEVER
end

local function moneyRefusal(budgets, j, a, ask)
  local limit, spent = limitOf(budgets, j, a), spentIn(a)
  local from, to = spanOf(budgets, j, a)
  if not from then return STALE, clock end
  if ask > limit then return TOO_LARGE, NEVER end
  local over, blind = spent + ask - limit, blindFor(budgets, j, a, from, to)
  if over > 0 or blind > 0 then return EXHAUSTED, max(over > 0 and waitForMoney(a, over) or 0, blind) end
  if heldIn(a) + over > 0 then return ALL_HELD, NEVER end
  return 0, 0
end

-- The gravest refusal, of equals the one that lasts longest: its reason, scope, budget (from 0), and wait.
local function refusalOf(scopes, nano)
  local asked, reason, place, index, wait = {}, 0, 1, 0, 0
  for i, v in ipairs(scopes) do
    local budgets = v.budgets
    for j = 1, budgets and #budgets or 0, BUDGET_FIELDS do
      local a = v.book.accounts[budgets[j]]
      local ask = (asked[a] or 0) + nano
      asked[a] = ask
      local here, longer = moneyRefusal(budgets, j, a, ask)
      if here > reason or here == reason and longer > wait then
        reason, place, index, wait = here, i, (j - 1) / BUDGET_FIELDS, longer
      end
    end
  end
  return reason, place, index, wait
end

local function resetsAt(budgets, j, a, isTaken)
  local newest = a.parts[#a.parts]
  local from, to = spanOf(budgets, j, a)
  if not from then return clock end
  local blind = clock + blindFor(budgets, j, a, from, to)
  local kind = budgets[j + BUDGET_KIND]
  if isTaken or kind == CALENDAR or kind == TOTAL then return max(to, blind) end
  return max(newest and newest[PART_END] or clock, blind)
end

local function tellBudget(budgets, j, a, pending, before)
  tell(spentIn(a), sumOf(heldIn(a), pending), a.total, limitOf(budgets, j, a), resetsAt(budgets, j, a, pending > 0), before)
end

local function tellBudgets(scopes, pending)
  for _, v in ipairs(scopes) do
    for j = 1, v.budgets and #v.budgets or 0, BUDGET_FIELDS do tellBudget(v.budgets, j, v.book.accounts[v.budgets[j]], pending, 0) end
  end
end

local function partOf(budgets, j, a)
  local from, to = spanOf(budgets, j, a)
  local newest = a.parts[#a.parts]
  if newest and newest[PART_START] == from then return newest end
  local part = { from, to, 0, 0 }
  a.parts[#a.parts + 1] = part
  return part
end

local function holdMoney(v, name, nano, ttl, expected)
  local book, r = v.book, { held = nano, charged = openMark(expected), at = clock, starts = {} }
  for j = 1, #v.budgets, BUDGET_FIELDS do
    local id = v.budgets[j]
    local a = book.accounts[id]
    local part = partOf(v.budgets, j, a)
    part[PART_HELD], a.changed = sumOf(part[PART_HELD], nano), true
    r.starts[#r.starts + 1] = { part[PART_START], id }
  end
  book.records[name], book.written[name], book.count = r, r, book.count + 1
  schedule(book, name, clock + ttl)
end

local function decideAll(scopes, cost, tokens, nano, id, ttl, expected)
  local reason, place, index, wait = refusalOf(scopes, nano)
  if reason == 0 or reason == ALL_HELD then
    local worst, refused = decide(scopes, cost, tokens)
    if refused or reason == 0 then
      local holds = 0
      if id and not refused then
        for i, v in ipairs(scopes) do
          take(v, cost, tokens)
          if v.p[4] >= 0 then occupy(v.slots, id .. '.' .. i, ttl) end
          if v.budgets then
            holds = holds + 1
            holdMoney(v, id .. '.' .. holds, nano, ttl, expected)
          end
        end
      end
      answer(scopes, worst)
      tell(0, 0, 0, 0)
      tellBudgets(scopes, (id or refused) and 0 or nano)
      return
    end
  end
  decide(scopes, 0, 0)
  for _, v in ipairs(scopes) do v.code, v.wait = USD, wait end
  answer(scopes, place)
  tell(reason, place - 1, index, wait)
  tellBudgets(scopes, 0)
end
