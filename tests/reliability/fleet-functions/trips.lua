-- Counts the readings of each car, as functions/trips.lua does.
return {
  on    = { topic = "fleet/+" },
  allow = { db = "cars" },
  handler = function(event)
    db.update("cars", { id = event.deviceid }, function(car)
      car.readings = (car.readings or 0) + 1
      return car
    end)
  end,
}
