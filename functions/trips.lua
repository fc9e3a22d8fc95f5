-- Keeps the last position of each car, and counts its readings.
--
-- The table stands in the configuration (moonlet.lua); elsewhere it is made once:
--   moonlet db create cars --key id
return {
  on    = { topic = "iot/ccar-ad/+" },
  allow = { db = "cars" },

  -- What the function does to the table and the acknowledgement of the reading happen together:
  -- each reading that a car sent with QoS 2 counts once, whatever breaks down meanwhile.
  handler = function(event, context)
    db.update("cars", { id = event.deviceid }, function(car)
      car.readings = (car.readings or 0) + 1
      car.last = event.gps
      return car
    end)
  end,
}
