# Follows the agent's script in the binary: one JSON document in, one out.
require 'json'
begin
  $stdout.write(JSON.generate(agent(JSON.parse($stdin.read))))
  $stdout.flush
rescue Exception => e # also SyntaxError and NoMemoryError: the submitter must hear of them
  $stderr.puts "#{e.class}: #{e.message}", e.backtrace&.first(5)
  exit! 1
end
