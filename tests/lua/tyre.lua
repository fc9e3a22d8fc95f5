-- The function that ships, as the host sees it.
local tyre = require "tyre"

local function report(...)
  tyre.handler({ deviceid = "audi22", tyre_bar = { ... } })
end

local function alert(wheel, bar, level)
  return { {
    publish = "alerts/audi22/tyre", qos = 1, retain = true, expiry = 86400,
    payload = { kind = "tyre", wheel = wheel, bar = bar, level = level },
  } }
end

local tests = {
  full_tyres_are_no_news = function() report(2.4, 2.0, 2.2, 2.3) end,
  a_car_without_sensors_is_no_news = function() tyre.handler({ deviceid = "audi22", speed = 80 }) end,
  the_weakest_one_is_named = function() report(1.9, 2.4, 1.7, 2.3) end,
  a_flat_one_stops_the_car = function() report(2.4, 1.2, 2.4, 2.4) end,
  a_fifth_wheel_has_a_number = function() report(2.4, 2.4, 2.4, 2.4, 1.8) end,
}

return {
  allow = tyre.allow,
  tests = tests,
  expect = {
    full_tyres_are_no_news = { effects = {} },
    a_car_without_sensors_is_no_news = { effects = {} },
    the_weakest_one_is_named = { effects = alert("rear left", 1.7, "pump it up") },
    a_flat_one_stops_the_car = { effects = alert("front right", 1.2, "stop now") },
    a_fifth_wheel_has_a_number = { effects = alert("wheel 5", 1.8, "pump it up") },
  },
  handler = function(name, context) return tests[name](context) end,
}
