-- The function that ships, as the host sees it, and its library.
local geofence = require "geofence"
local geo = require "geo"

local OLD_TOWN = { lat = 48.1380, lon = 11.5760 }
local AIRPORT = { lat = 48.3538, lon = 11.7861 }
local FIELD = { lat = 48.25, lon = 11.65 }

local function report(car, point)
  geofence.handler({ deviceid = car, lat = point.lat, lon = point.lon })
end

-- What the function has read must still be so when it commits.
local function look(car)
  return { read_shadow = car, name = "geofence", version = car == "parked" and 7 or nil }
end

local function crossing(car, from, to)
  return {
    look(car),
    { shadow = "update", thing = car, name = "geofence", document = { state = { reported = { zone = to } } } },
    { publish = "alerts/" .. car, payload = { kind = "geofence", from = from, to = to } },
  }
end

local tests = {
  a_new_car_in_the_field_is_no_news = function() report("new", FIELD) end,
  a_new_car_in_a_zone_has_entered = function() report("new", OLD_TOWN) end,
  a_car_that_stays_is_no_news = function() report("parked", OLD_TOWN) end,
  a_car_leaves = function() report("parked", FIELD) end,
  a_car_goes_from_zone_to_zone = function() report("parked", AIRPORT) end,
  a_report_without_a_place_is_ignored = function() geofence.handler({ deviceid = "new", speed = 20 }) end,

  distances_are_those_of_the_map = function()
    local munich, hamburg = { lat = 48.1374, lon = 11.5755 }, { lat = 53.5511, lon = 9.9937 }
    local km = geo.distance_m(munich, hamburg) / 1000
    assert(km > 610 and km < 614, km)
    assert(geo.distance_m(munich, munich) == 0)
    local around = geo.distance_m({ lat = 0, lon = 179.5 }, { lat = 0, lon = -179.5 }) / 1000
    assert(around > 111 and around < 112, around)
  end,
  a_polygon_has_an_inside = function()
    local arrow = { { lat = 0, lon = 0 }, { lat = 4, lon = 0 }, { lat = 4, lon = 4 }, { lat = 2, lon = 1 }, { lat = 0, lon = 4 } }
    assert(geo.inside({ lat = 1, lon = 0.5 }, arrow))
    assert(geo.inside({ lat = 3.5, lon = 3 }, arrow))
    assert(not geo.inside({ lat = 2, lon = 2 }, arrow))
    assert(not geo.inside({ lat = 5, lon = 1 }, arrow))
    assert(not geo.inside({ lat = 2, lon = -1 }, arrow))
  end,
}

return {
  allow = geofence.allow,
  replies = {
    ["shadow new/geofence"] = false,
    ["shadow parked/geofence"] = { state = { reported = { zone = "old town" } }, version = 1 },
  },
  tests = tests,
  expect = {
    a_new_car_in_the_field_is_no_news = { effects = { look("new") }, calls = { { call = "shadow new/geofence" } } },
    a_new_car_in_a_zone_has_entered = { effects = crossing("new", "outside", "old town") },
    a_car_that_stays_is_no_news = { effects = { look("parked") } },
    a_car_leaves = { effects = crossing("parked", "old town", "outside") },
    a_car_goes_from_zone_to_zone = { effects = crossing("parked", "old town", "airport") },
    a_report_without_a_place_is_ignored = { effects = {}, calls = {} },
  },
  handler = function(name, context) return tests[name](context) end,
}
