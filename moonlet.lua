-- The configuration of a host that is run here: every setting has a default (docs/operations.md).
-- This is what the functions in functions/ need.
tables = {
  cars = { key = "id" }, -- trips.lua counts in it, service_due.lua follows it
}
