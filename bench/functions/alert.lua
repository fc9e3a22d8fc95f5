-- The handler of the benchmarks: filters and publishes. Its peers stand in bench/peers/.
return {
  on    = { topic = "iot/ccar-ad/+" },
  allow = { publish = "alerts/+" },

  handler = function(event)
    if event.speed <= 120 then return end
    mqtt.publish("alerts/" .. event.deviceid, { device = event.deviceid, speed = event.speed, ts = event.ts })
  end,
}
