-- wrk's side of tests/bench: requests built beforehand, one JSON line at the end.
-- Arguments: path of the endpoint, name of its parameter or "-", largest value, If-None-Match (optional).
local counter = 0
function setup(thread)
   counter = counter + 1
   thread:set("number", counter)
end

local requests, at = {}, 0
function init(args)
   local path, param, top = args[1], args[2], tonumber(args[3])
   wrk.headers["Host"] = "127.0.0.1"
   if args[4] then wrk.headers["If-None-Match"] = args[4] end
   if param == "-" then
      requests[1] = wrk.format("GET", path)
      return
   end
   math.randomseed(4711 + number)
   for i = 1, 10000 do
      requests[i] = wrk.format("GET", path .. "?" .. param .. "=" .. math.random(1, top))
   end
end

function request()
   at = at + 1
   if at > #requests then at = 1 end
   return requests[at]
end

function done(summary, latency)
   local e = summary.errors
   io.write(string.format(
      '\n{"requests":%d,"us":%d,"bytes":%d,"errors":%d,"p50":%.3f,"p90":%.3f,"p99":%.3f,"max":%.3f}\n',
      summary.requests, summary.duration, summary.bytes, e.connect + e.read + e.write + e.status + e.timeout,
      latency:percentile(50) / 1000, latency:percentile(90) / 1000, latency:percentile(99) / 1000,
      latency.max / 1000))
end
