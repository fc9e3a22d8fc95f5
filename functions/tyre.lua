-- Says which tyre of a car has lost its air. The last word on each car is kept by the broker
-- (retained), so that a workshop that subscribes later still sees it.

local WHEELS = { "front left", "front right", "rear left", "rear right" }
local LOW, FLAT = 2.0, 1.6 -- bar

-- The wheel with the least pressure.
local function weakest(pressures)
  local wheel = 1
  for i, bar in ipairs(pressures) do
    if bar < pressures[wheel] then wheel = i end
  end
  return wheel
end

return {
  description = "alerts when a tyre has less than 2.0 bar",

  on    = { topic = "iot/ccar-ad/+" },
  allow = { publish = "alerts/+/tyre" },

  handler = function(event, context)
    local pressures = event.tyre_bar
    if not pressures or #pressures == 0 then return end -- not every car measures them

    local wheel = weakest(pressures)
    local bar = pressures[wheel]
    if bar >= LOW then return end

    mqtt.publish("alerts/" .. event.deviceid .. "/tyre", {
      kind = "tyre",
      wheel = WHEELS[wheel] or "wheel " .. wheel,
      bar = bar,
      level = bar < FLAT and "stop now" or "pump it up",
    }, { qos = 1, retain = true, expiry = 24 * 3600 })
  end,
}
