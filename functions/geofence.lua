-- Says when a car enters or leaves a zone.
--
-- A handler forgets everything when it returns, so that no run can disturb another. Where a car was
-- the last time stands in a device shadow of its own, named "geofence".

local geo = require "geo" -- functions/lib/geo.lua

local ZONES = {
  { name = "old town", center = { lat = 48.1374, lon = 11.5755 }, radius_m = 800 },
  { name = "airport", corners = {
    { lat = 48.37, lon = 11.73 }, { lat = 48.37, lon = 11.84 },
    { lat = 48.34, lon = 11.84 }, { lat = 48.34, lon = 11.73 },
  } },
}

local function zone_of(point)
  for _, zone in ipairs(ZONES) do
    if zone.center and geo.distance_m(point, zone.center) <= zone.radius_m then return zone.name end
    if zone.corners and geo.inside(point, zone.corners) then return zone.name end
  end
  return "outside"
end

-- Where the car was when it reported last; "outside" for one that is new to us.
local function last_zone(car)
  local document = shadow.get(car, { name = "geofence" })
  local reported = document and document.state.reported
  return reported and reported.zone or "outside"
end

return {
  description = "alerts when a car enters or leaves a zone",

  on    = { topic = "iot/ccar-ad/+" },
  allow = { publish = "alerts/+", shadow = "*" },

  handler = function(event, context)
    if not event.lat or not event.lon then return end

    local zone, before = zone_of(event), last_zone(event.deviceid)
    if zone == before then return end

    -- Both or neither: were one of them to fail, the next report would bring both again.
    shadow.update(event.deviceid, { reported = { zone = zone } }, { name = "geofence" })
    mqtt.publish("alerts/" .. event.deviceid, { kind = "geofence", from = before, to = zone })
  end,
}
