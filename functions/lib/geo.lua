-- Distances and areas on the globe, for all functions: local geo = require "geo"

local geo = {}

local EARTH_RADIUS_M = 6371000

-- Metres between two points { lat =, lon = } in degrees (the haversine formula).
function geo.distance_m(a, b)
  local lat_a, lat_b = math.rad(a.lat), math.rad(b.lat)
  local half_lat = (lat_b - lat_a) / 2
  local half_lon = math.rad(b.lon - a.lon) / 2
  local h = math.sin(half_lat) ^ 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_lon) ^ 2
  return 2 * EARTH_RADIUS_M * math.asin(math.min(1, math.sqrt(h)))
end

-- Whether a point lies in a polygon, a list of points. A line from the point to the east crosses
-- the polygon's edges an odd number of times when it does.
function geo.inside(point, polygon)
  local inside = false
  local previous = polygon[#polygon]
  for _, corner in ipairs(polygon) do
    if (corner.lat > point.lat) ~= (previous.lat > point.lat) then
      local share = (point.lat - corner.lat) / (previous.lat - corner.lat)
      if point.lon < corner.lon + share * (previous.lon - corner.lon) then inside = not inside end
    end
    previous = corner
  end
  return inside
end

return geo
