-- Warns a driver who is too fast, tells the fleet office, and asks the car to slow down.
--
-- Try it:  mosquitto_pub -t iot/ccar-ad/audi22 -m '{"deviceid":"audi22","speed":140}'

local LIMIT = 120 -- km/h
local WEBHOOK = "http://127.0.0.1:9000/overspeed"

return {
  description = "alerts when a car is faster than 120 km/h",

  on    = { topic = "iot/ccar-ad/+" },   -- runs for every message of every car
  allow = {                              -- whatever is not named here is refused
    publish = "alerts/+",
    shadow  = "*",
    http    = "http://127.0.0.1:9000",
  },

  handler = function(event, context)     -- event: the JSON of the message, as a table
    if not event.speed or event.speed <= LIMIT then return end

    -- Nobody sees these two before the handler has returned: then they happen together.
    mqtt.publish("alerts/" .. event.deviceid, { kind = "overspeed", speed = event.speed, limit = LIMIT })
    shadow.update(event.deviceid, { desired = { speed_limit = LIMIT } })

    -- This one waits for its answer; other events go on meanwhile. An office that does not answer
    -- must not cost the driver the warning, so a failure is only noted.
    local ok, problem = pcall(http.post, WEBHOOK, { json = event, timeout = "2s" })
    if not ok then log.warn("the fleet office was not told:", problem) end
  end,
}
