# Follows the agent's script in the binary: one JSON document in, one out.
require 'json'

# Raise it where the input is at fault: the task fails with INPUT_REFUSED, which does not count against the agent.
class InputRefused < StandardError; end

begin
  input = begin
    JSON.parse($stdin.read)
  rescue JSON::ParserError => e
    raise InputRefused, e.message
  end
  $stdout.write(JSON.generate(agent(input)))
  $stdout.flush
rescue Exception => e # also SyntaxError and NoMemoryError: the submitter must hear of them
  $stderr.puts "#{e.class}: #{e.message}", e.backtrace&.first(5)
  exit! e.is_a?(InputRefused) ? 65 : 1
end
