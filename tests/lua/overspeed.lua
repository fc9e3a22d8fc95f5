-- The function that ships, as the host sees it.
local overspeed = require "overspeed"
local URL = "http://127.0.0.1:9000/overspeed"

local function run(event, context)
  return overspeed.handler(event, context)
end

local ALERT = { publish = "alerts/audi22", payload = { kind = "overspeed", speed = 140, limit = 120 } }
local LIMIT = { shadow = "update", thing = "audi22", document = { state = { desired = { speed_limit = 120 } } } }

local tests = {
  at_the_limit_nothing_happens = function(context) run({ deviceid = "audi22", speed = 120 }, context) end,
  without_a_speed_nothing_happens = function(context) run({ deviceid = "audi22" }, context) end,
  text_that_is_no_json_is_ignored = function(context) run("hello", context) end,
  above_it_everybody_is_told = function(context) run({ deviceid = "audi22", speed = 140 }, context) end,
  a_speed_that_is_text_fails = function(context) run({ deviceid = "audi22", speed = "fast" }, context) end,
}

return {
  allow = overspeed.allow,
  replies = { ["POST " .. URL] = { status = 204 } },

  tests = tests,
  expect = {
    at_the_limit_nothing_happens = { effects = {}, calls = {} },
    without_a_speed_nothing_happens = { effects = {}, calls = {} },
    text_that_is_no_json_is_ignored = { effects = {}, calls = {} },
    above_it_everybody_is_told = {
      effects = { ALERT, LIMIT },
      calls = { {
        http = "POST " .. URL, timeout_ms = 2000,
        headers = { ["Content-Type"] = "application/json" },
        body = { deviceid = "audi22", speed = 140 },
      } },
      logs = {},
    },
    a_speed_that_is_text_fails = { fails = "attempt to compare" },
  },

  handler = function(name, context) return tests[name](context) end,
}
