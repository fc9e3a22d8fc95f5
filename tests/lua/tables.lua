-- db: get, put, delete, update.
local function raises(expected, f, ...)
  local ok, problem = pcall(f, ...)
  assert(not ok and tostring(problem):find(expected, 1, true), tostring(problem))
end

local tests = {
  an_item_is_read_once = function()
    local car = db.get("cars", { id = "audi22" })
    assert(car.id == "audi22" and car.readings == 41)
    car.readings = 0
    assert(db.get("cars", "audi22").readings == 41)
    assert(db.get("cars", "nobody") == nil)
  end,

  a_run_sees_its_own_writes = function()
    db.put("cars", { id = "bmw1", readings = 1 })
    assert(db.get("cars", "bmw1").readings == 1)
    db.delete("cars", "bmw1")
    assert(db.get("cars", "bmw1") == nil)
    db.put("readings", { id = "a", ts = 5, place = "x" })
    assert(db.get("readings", { id = "a", ts = 5.0 }).place == "x")
  end,

  update_reads_changes_and_writes = function()
    local car = db.update("cars", { id = "audi22" }, function(car)
      car.readings = car.readings + 1
      return car
    end)
    assert(car.readings == 42)
    assert(db.update("cars", "audi22", { note = "x", readings = json.null }).note == "x")
    assert(db.update("cars", "fresh", function(car) return car.id == "fresh" and car or nil end).id == "fresh")
    assert(db.update("cars", "audi22", function() return nil end) == nil)
  end,

  wrong_use_is_named = function()
    raises('there is no table "planes"', db.get, "planes", "x")
    raises('"id" is missing', db.get, "cars", {})
    raises('"id" is missing', db.put, "cars", { readings = 1 })
    raises('"id" must be a number or a string', db.put, "cars", { id = true })
    raises('"id" must be a number or a string', db.put, "cars", { id = "" })
    raises('"id" must be a number or a string of 1 to 2048', db.get, "cars", ("x"):rep(2049))
    raises('"id" is not a finite number', db.get, "cars", 0 / 0)
    raises('{ id = ..., ts = ... }', db.get, "readings", "a")
    raises('"ts" is missing', db.get, "readings", { id = "a" })
    raises("item.x: NaN", db.put, "cars", { id = "a", x = 0 / 0 })
    raises("at most 400 KiB", db.put, "cars", { id = "a", x = ("x"):rep(410000) })
    local deep = {}
    for _ = 1, 58 do deep = { deep } end
    db.put("cars", { id = "deep", x = deep })
    raises("at most 60 levels", db.put, "cars", { id = "deep", x = { deep } })
    raises("a function or a table", db.update, "cars", "a", 7)
    local cycle = { id = "a" }
    cycle.me = cycle
    raises("item.me", db.put, "cars", cycle)
  end,

  strings_must_be_text = function()
    raises("UTF-8", db.put, "cars", { id = "a", x = "\xff" })
    raises('db.get: cars: "id" is a string that is not UTF-8', db.get, "cars", "\xff")
    raises('db.delete: cars: "id" is a string that is not UTF-8', db.delete, "cars", "\xff")
  end,

  errors_name_table_attribute_and_the_handlers_line = function()
    raises("db.put: cars: item.x.y: NaN", db.put, "cars", { id = "a", x = { y = 0 / 0 } })
    raises('its largest attribute is "big"', db.put, "cars", { id = "a", x = "y", big = ("x"):rep(410000) })
    local deep = {}
    for _ = 1, 59 do deep = { deep } end
    raises("cars: item.x: an item has at most 60 levels", db.put, "cars", { id = "a", x = deep })
    raises("the item is a table, not number", db.put, "cars", 5)
    raises("the options are a table, not number", db.put, "cars", { id = "a" }, 5)
    raises("if_version is the second result", db.put, "cars", { id = "a" }, { if_version = -1 })
    raises('readings: "from" must be a number or a string', db.query, "readings", "a", { from = true })
    raises('"id" is the item\'s key, which must stay', db.update, "cars", "a", { id = "b" })
    raises("operation 2: there is no option", db.batch, { { get = "cars", key = "a" }, { foo = "cars" } })
    raises('operation 1: cars: "id" is missing', db.batch, { { put = "cars", item = {} } })
    raises("a list of operations", db.batch, { put = "cars", item = { id = "a" } })
    local ok, problem = pcall(db.update, "planes", "a", {})
    assert(not ok and problem:find("^tables.lua:%d+: db.get: there is no table"), problem)
  end,
}

return {
  on = { topic = "x" },
  allow = { db = { "cars", "readings", "planes" } },
  tests = tests,
  replies = {
    ["db cars/audi22"] = { id = "audi22", readings = 41 },
    ["db cars/nobody"] = false,
    ["db cars/fresh"] = false,
    ["db cars/a"] = false,
  },
  expect = {
    an_item_is_read_once = {
      effects = { { read = "cars", key = "audi22", version = 7 }, { read = "cars", key = "nobody" } },
      calls = { { call = "db cars/audi22" }, { call = "db cars/nobody" } },
    },
    a_run_sees_its_own_writes = {
      effects = {
        { put = "cars", item = { id = "bmw1", readings = 1 } }, { delete = "cars", key = "bmw1" },
        { put = "readings", item = { id = "a", ts = 5, place = "x" } },
      },
      calls = {},
    },
  },
  handler = function(event) tests[event]() end,
}
