-- db: query, scan.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local tests = {
  a_query_gives_items = function()
    local items, after = db.query("readings", { id = "a" }, { from = 1, to = 2.5, reverse = true, limit = 2 })
    assert(#items == 2 and items[1].ts == 1 and after == "6e657874")
    items, after = db.query("readings", 7, { prefix = "x", after = after })
    assert(#items == 0 and after == nil)
    db.query("readings", 8, { prefix = "" }) -- all strings, but no numbers
  end,

  an_index_has_its_own_key = function()
    local items = db.query("readings", { place = "x" }, { index = "by_place" })
    assert(#items == 1)
  end,

  a_scan_gives_all = function()
    assert(#db.scan("cars") == 2)
  end,

  a_query_has_what_the_run_has_written = function()
    db.put("readings", { id = "a", ts = 1 })
    db.put("cars", { id = "b" })
    db.put("readings", { id = "a", ts = 1, place = "x" })
    db.query("readings", "b")
  end,

  a_delete_goes_along_too = function()
    db.delete("readings", { id = "a", ts = 1 })
    db.query("readings", "b")
  end,

  what_failed_does_not_go_along = function()
    pcall(db.put, "readings", { id = "a", ts = 1, x = 0 / 0 })
    db.query("readings", "b")
  end,

  wrong_use_is_named = function()
    raises('there is no table "planes"', db.query, "planes", "x")
    raises('no index "by_colour"', db.query, "readings", "x", { index = "by_colour" })
    raises('its key is "id"', db.query, "readings", { place = "x" })
    raises('its key is "place"', db.query, "readings", { id = "x" }, { index = "by_place" })
    raises('"id" is missing', db.query, "readings", {})
    raises('"id" is missing', db.query, "readings")
    raises('"from" must be a number or a string', db.query, "readings", "a", { from = true })
    raises('cars has no sort key for "from"', db.query, "cars", "a", { from = 1 })
    raises('cars has no sort key for "prefix"', db.query, "cars", "a", { prefix = "x" })
    raises("limit is a number from 1", db.query, "readings", "a", { limit = 0 })
    raises("reverse is true or false", db.query, "readings", "a", { reverse = 1 })
    raises("after is what a query gave", db.query, "readings", "a", { after = "xyz" })
    raises('there is no option "form"', db.query, "readings", "a", { form = 1 })
    raises('there is no option "from"', db.scan, "readings", { from = 1 })
  end,
}

return {
  on = { topic = "x" },
  allow = { db = { "cars", "readings", "planes" } },
  tests = tests,
  replies = {
    ["query readings/a"] = { items = { { id = "a", ts = 1 }, { id = "a", ts = 2 } }, next = "next" },
    ["query readings/7"] = { },
    ["query readings/8"] = { },
    ["query readings/x"] = { { id = "a", ts = 1 } },
    ["query readings/b"] = { },
    ["scan cars"] = { { id = "a" }, { id = "b" } },
  },
  expect = {
    a_query_gives_items = {
      calls = {
        { call = "query readings/a", from = "1", to = "2.5", reverse = true, limit = 2 },
        { call = "query readings/7", prefix = "x", after_bytes = 4 },
        { call = "query readings/8", from = "\\u0000" },
      },
    },
    an_index_has_its_own_key = {
      calls = { { call = "query readings/x", index = "by_place" } },
      effects = { { query = "readings", index = "by_place", rows = 1 } },
    },
    a_scan_gives_all = {
      calls = { { call = "scan cars" } },
      effects = { { query = "cars", rows = 2 } },
    },
    a_query_has_what_the_run_has_written = {
      calls = { { call = "query readings/b", pending = { { key = "a,1", item = { id = "a", ts = 1, place = "x" } } } } },
    },
    a_delete_goes_along_too = {
      calls = { { call = "query readings/b", pending = { { key = "a,1" } } } },
    },
    what_failed_does_not_go_along = { calls = { { call = "query readings/b" } } },
  },
  handler = function(event) tests[event]() end,
}
