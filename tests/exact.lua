-- What could differ between two runs of one event, or two processes: all of it in one text. The
-- driver compares it over workers, rounds and stages that others have used (tests/test_exact.c).
local at_load = { math.random(1 << 40), uuid.v4(), tostring({}) }

local function order(t)
  local names = {}
  for key in pairs(t) do names[#names + 1] = tostring(key) end
  return table.concat(names, " ")
end

local function mixed()
  local t = {}
  for i = 1, 20 do
    t["name" .. i] = i
    t[{}] = i
    t[function() return i end] = i
    t[i * 1.5] = i
    t[coroutine.create(print)] = i
  end
  for _, f in ipairs { print, pairs, ipairs, next, type, tostring, string.find, math.random, mqtt.publish, db.get } do
    t[f] = true
  end
  t[json.null], t[true], t[false] = 1, 2, 3
  return t
end

return {
  on = { topic = "exact/in" },
  allow = { shadow = "*", publish = "#" },
  handler = function(event, context)
    local seen = { table.concat(at_load, " "), order(mixed()), order(_G), order(string) }
    local function see(...) seen[#seen + 1] = table.concat({ ... }, " ") end

    see(math.random(), math.random(1 << 40), uuid.v4(), uuid.v4())
    see(tostring({}), tostring(print), tostring(function() end), ("%p"):format(seen))
    see(math.randomseed())
    see(math.random(1 << 40))
    see(os.time(), os.clock(), os.date(), time.now(), time.iso(), context.remaining_ms())
    see(collectgarbage("count"))
    see(tostring(pcall(error, ("a message longer than forty bytes, which Lua keeps otherwise: %s"):rep(3))))
    local weak = setmetatable({}, { __mode = "k" })
    for i = 1, 20000 do weak[{}] = ("x"):rep(i % 100) end
    see(order(weak):len(), collectgarbage("count"))
    shadow.get("thing")
    see(os.time(), time.now(), context.remaining_ms(), math.random(1 << 40), uuid.v4(), math.randomseed())
    mqtt.publish("exact/out", mixed and { seen = seen, order = order(mixed()) })
    return table.concat(seen, "\n")
  end,
}
