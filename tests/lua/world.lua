-- What Lua itself offers here, and what it does not.
local at_load = tostring(mqtt) ~= nil and type(context)

local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local tests = {
  what_reaches_outside_is_missing = function()
    for _, name in ipairs { "io", "debug", "package", "dofile", "loadfile", "warn" } do
      assert(_G[name] == nil, name)
    end
    for _, name in ipairs { "execute", "exit", "getenv", "remove", "rename", "setlocale", "tmpname" } do
      assert(os[name] == nil, name)
    end
    assert(string.dump == nil)
    raises("only \"count\"", collectgarbage, "collect")
    assert(collectgarbage("count") > 0)
  end,

  load_takes_text_alone = function()
    assert(load("return 1 + 1")() == 2)
    assert(load("return x", "chunk", "t", { x = 7 })() == 7)
    local chunk, problem = load("\27Lua")
    assert(chunk == nil and problem:find("binary"), problem)
    chunk, problem = load("return +", "=mine")
    assert(chunk == nil and problem:find("mine:1:", 1, true), problem)
    raises("string expected", load, print)
  end,

  a_global_is_forgotten_with_its_run = function()
    assert(counter == nil)
    counter = 1
    string.upper = nil
  end,

  random_numbers_are_those_of_the_event = function(context)
    assert(math.random(1 << 40) ~= math.random(1 << 40))
    return uuid.v4() .. " " .. math.random(1 << 40)
  end,

  the_context_tells_of_the_event = function(context)
    assert(context.id == "0102030405060708090a0b0c0d0e0f10")
    assert(context.function_name == "tested" and context.topic == "iot/ccar-ad/audi22")
    assert(context.client_id == "client7" and context.qos == 1 and context.retain == false)
    assert(context.time == 1795435200.25 and context.attempt == 1 and context.trigger == "topic")
    assert(context.remaining_ms() > 2000 and context.remaining_ms() <= 3000)
    assert(context.properties.fleet == "north" and context.nothing == nil)
    local names = {}
    for name in pairs(context) do names[name] = true end
    assert(names.id and names.properties and names.function_name)
  end,

  time_stands_still = function()
    assert(time.now() == 1795435200.25 and time.now_ms() == 1795435200250)
    assert(time.iso() == "2026-11-23T12:00:00.250Z" and time.iso(0) == "1970-01-01T00:00:00.000Z")
    assert(time.iso(-0.5) == "1969-12-31T23:59:59.500Z")
    assert(time.parse "2026-11-23T12:00:00.250Z" == time.now())
    assert(time.parse "2026-11-23T13:30:00+01:30" == 1795435200)
    assert(time.parse "1969-12-31T23:59:59Z" == -1 and time.parse "2000-02-29T00:00:00" == 951782400)
    for _, text in ipairs { "", "now", "2026-13-01T00:00:00Z", "2026-11-23", "2026-11-23T12:00:00X", "2026-11-23T12:00:00+1" } do
      assert(time.parse(text) == nil, text)
    end
    raises("years 1 to 9999", time.iso, 1e18)
    raises("years 1 to 9999", time.iso, 0 / 0)
  end,

  os_has_the_calendar = function()
    assert(os.time() == 1795435200 and os.clock() == 0 and os.difftime(5, 3) == 2)
    assert(os.date("%Y-%m-%d %H:%M:%S") == "2026-11-23 12:00:00")
    assert(os.date("!%A %d %B, %j, %I %p %%", 0) == "Thursday 01 January, 001, 12 AM %")
    assert(os.date("%c", 0) == "Thu Jan  1 00:00:00 1970")
    local t = os.date("*t", 951782400)
    assert(t.year == 2000 and t.month == 2 and t.day == 29 and t.wday == 3 and t.yday == 60)
    assert(os.time(t) == 951782400)
    assert(os.time { year = 2026, month = 14, day = 1, hour = 0 } == os.time { year = 2027, month = 2, day = 1, hour = 0 })
    for _, seconds in ipairs { -86401, -1, 0, 86399, 1709164800, 4102444800 } do
      assert(os.time(os.date("*t", seconds)) == seconds, seconds)
    end
    raises("no conversion", os.date, "%Q")
    raises("no conversion", os.date, "%")
    raises('field "day"', os.time, { year = 2026, month = 1 })
  end,

  addresses_are_not_shown = function()
    for _, value in ipairs { {}, print, coroutine.create(print) } do
      assert(#tostring(value):match("0x(%x+)") <= 9, tostring(value))
    end
  end,

  coroutines_work = function()
    local squares = coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i * i) end end)
    assert(squares() == 1 and squares() == 4 and squares() == 9)
  end,

  a_yield_of_the_handler_fails = function() coroutine.yield(1) end,
  an_error_that_is_a_table_is_told = function() error { code = 7 } end,
  a_deep_recursion_fails = function() local function f() return 1 + f() end return f() end,
  too_much_memory_fails = function() local t = {} while true do t[#t + 1] = ("x"):rep(100000) .. #t end end,

  require_finds_what_was_loaded = function()
    raises("call require at the top of the file", require, "tyre")
  end,

  nothing_was_there_at_load = function() assert(at_load == "nil") end,

  results_may_be_text = function() return "text" end,
  results_may_be_values = function() return { status = 200 } end,
  results_must_be_json = function() return { f = print } end,
}

return {
  tests = tests,
  expect = {
    random_numbers_are_those_of_the_event = {},
    a_yield_of_the_handler_fails = { fails = "the handler yielded" },
    an_error_that_is_a_table_is_told = { fails = '{"code":7}' },
    a_deep_recursion_fails = { fails = "out of memory" },
    too_much_memory_fails = { fails = "out of memory" },
    results_may_be_text = { result = "text" },
    results_may_be_values = { result = '{"status":200}' },
    results_must_be_json = { fails = "result.f: a function" },
  },
  handler = function(name, context) return tests[name](context) end,
}
