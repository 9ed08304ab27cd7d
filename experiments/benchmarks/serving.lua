-- Load for wrk: requests of ever other known customers, at a constant rate or as fast as they are
-- answered. wrk -s serving.lua URL -- RATE KIND N_USERS [HEADER ...]; a rate of 0 is as fast as
-- possible, KIND is
-- growthlab or mlflow. A rate is that of the one thread: use -t1, and more connections than can be
-- under way at once, so that a request that is late makes none behind it wait.
local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local now_at = ffi.new("moment")

local function now()
   ffi.C.clock_gettime(1, now_at)
   return tonumber(now_at.seconds) * 1e3 + tonumber(now_at.nanoseconds) / 1e6
end

local count, users, mlflow = 0, 1, false
local headers = {["Content-Type"] = "application/json"}

function init(args)
   local rate = tonumber(args[1])
   mlflow = args[2] == "mlflow"
   users = tonumber(args[3])
   for at = 4, #args do -- further headers
      local name, value = args[at]:match("^([^:]+): (.*)$")
      headers[name] = value
   end
   if rate > 0 then
      local first, sent = nil, 0
      delay = function() -- milliseconds until the next moment of the schedule
         first = first or now()
         local due = first + sent * 1000 / rate
         sent = sent + 1
         return math.max(0, math.floor(due - now() + 0.5))
      end
   end
end

function request()
   count = count + 1
   local user = string.format("u%06d", (count * 7919) % users)
   if mlflow then
      local body = '{"dataframe_split": {"columns": ["user_id"], "data": [["%s"]]}, "params": {"k": 10}}'
      return wrk.format("POST", "/invocations", headers, body:format(user))
   end
   return wrk.format("POST", "/recommend", headers, ('{"user_id": "%s", "k": 10}'):format(user))
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "seconds": %.3f, "refused": %d, "broken": %d, "p50": %.3f, "p90": %.3f, ' ..
      '"p99": %.3f, "p999": %.3f, "max": %.3f}\n',
      summary.requests, summary.duration / 1e6, errors.status,
      errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(50) / 1e3, latency:percentile(90) / 1e3, latency:percentile(99) / 1e3,
      latency:percentile(99.9) / 1e3, latency.max / 1e3))
end
