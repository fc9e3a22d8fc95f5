-- Says when it starts on a change of a table, with the time of the reading that made it.
return {
  on    = { table = "cars" },
  allow = { publish = "followed" },

  handler = function(change)
    mqtt.publish("followed", { ts = change.new.last })
  end,
}
