-- state and timer: values and times of a function's own.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local at_load = select(2, pcall(timer.set, "x", 1))

local tests = {
  a_value_is_read_once = function()
    local seen = state.get("seen")
    assert(seen.n == 41)
    seen.n = 0
    assert(state.get("seen").n == 41)
    assert(state.get("nothing") == nil and state.get("nothing") == nil)
  end,

  a_run_sees_its_own_writes = function()
    state.set("seen", "text")
    assert(state.get("seen") == "text")
    state.set("seen", { 1, 2 })
    assert(#state.get("seen") == 2)
    state.set("seen", false)
    assert(state.get("seen") == false)
    state.set("seen", nil)
    assert(state.get("seen") == nil)
  end,

  values_are_bounded_json = function()
    raises("value.x: NaN", state.set, "a", { x = 0 / 0 })
    raises("at most 64 KiB", state.set, "a", ("x"):rep(65536))
    raises("UTF-8", state.set, "a", "\xff")
    raises("a name is UTF-8 of 1 to 128 bytes", state.set, "", 1)
    raises("a name is UTF-8 of 1 to 128 bytes", state.set, "a\0b", 1)
    raises("a name is UTF-8 of 1 to 128 bytes", state.get, ("x"):rep(129))
    raises("string expected", state.get)
    state.set(("x"):rep(128), 1)
  end,

  delays_are_seconds_or_texts = function()
    timer.set("a", 1.5)
    timer.set("a", "250ms", "text")
    timer.set("a", "5m", { n = 1 })
    timer.set("a", "2 h", json.null)
    timer.set("a", "3650d", 0)
    timer.set("a", 0, false)
    timer.cancel("a")
  end,

  wrong_delays_are_named = function()
    for _, delay in ipairs { -1, 0 / 0, 1e300, "", "x", "5 parsecs", "-5m", "4000d", {} } do
      raises("timer.set: a delay is a number of seconds or a text", timer.set, "a", delay)
    end
    raises("timer.set: a delay", timer.set, "a")
    raises("payload.x: a function", timer.set, "a", 1, { x = print })
    raises("timer.cancel: a name", timer.cancel, "")
  end,

  nothing_is_set_while_the_file_is_loaded = function()
    assert(at_load:find("only be called while the handler runs", 1, true), at_load)
  end,
}

return {
  tests = tests,
  replies = { ["state seen"] = { n = 41 }, ["state nothing"] = false },
  expect = {
    a_value_is_read_once = {
      effects = { { read_state = "seen", version = 7 }, { read_state = "nothing" } },
      calls = { { call = "state seen" }, { call = "state nothing" } },
    },
    a_run_sees_its_own_writes = {
      effects = {
        { state = "seen", value = "text" }, { state = "seen", value = { 1, 2 } },
        { state = "seen", value = false }, { state = "seen" },
      },
      calls = {},
    },
    delays_are_seconds_or_texts = { effects = {
      { timer = "a", delay_ms = 1500 }, { timer = "a", payload = "text", delay_ms = 250 },
      { timer = "a", payload = { n = 1 }, delay_ms = 300000 },
      { timer = "a", payload = json.null, delay_ms = 7200000 },
      { timer = "a", payload = 0, delay_ms = 315360000000 },
      { timer = "a", payload = false }, { timer = "a" },
    } },
    wrong_delays_are_named = { effects = {} },
  },
  handler = function(name) return tests[name]() end,
}
