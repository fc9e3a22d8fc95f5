-- Puts a hundred items, from the one that the event names.
return {
  on    = { topic = "fill" },
  allow = { db = "cars" },

  handler = function(event)
    local puts = {}
    for i = event.from, event.from + 99 do
      puts[#puts + 1] = { put = "cars", item = { id = "car" .. i, readings = i, pad = ("0"):rep(160) } }
    end
    db.batch(puts)
  end,
}
