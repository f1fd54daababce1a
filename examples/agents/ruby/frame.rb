# The frame around the agent's script. `BundledAgent.load` runs once, when the agent is bundled; `BundledAgent.run` runs
# for each task, in the memory that `load` left: one JSON document in, one out.
require 'json'

# Raise it where the input is at fault: the task fails with INPUT_REFUSED, which does not count against the agent.
class InputRefused < StandardError; end

module BundledAgent
  # Evaluates the script. Returns false after a failure, which stands on standard error.
  def self.load(script, name)
    $stdout = $stderr # puts writes to the log; only the result goes to standard output
    eval(script, TOPLEVEL_BINDING, name, 1)
    raise NameError, 'The script defines no method "agent".' unless TOPLEVEL_BINDING.receiver.respond_to?(:agent, true)
    Process.warmup # collects garbage and compacts the rest
    true
  rescue Exception => e # also SyntaxError and SystemExit
    report(e)
    false
  end

  # `environment` is the task's: "NAME=value\0" for each variable, in hexadecimal digits.
  def self.run(environment)
    ENV.replace([environment].pack('H*').force_encoding('UTF-8').split("\0").to_h { |entry| entry.split('=', 2) })
    Random.srand
    input = begin
      JSON.parse($stdin.read)
    rescue JSON::ParserError => e
      raise InputRefused, e.message
    end
    STDOUT.write(JSON.generate(TOPLEVEL_BINDING.receiver.send(:agent, input)))
    STDOUT.flush
  rescue Exception => e # also SyntaxError and NoMemoryError: the submitter must hear of them
    report(e)
    exit! e.is_a?(InputRefused) ? 65 : 1
  end

  def self.report(error)
    trace = error.backtrace&.take_while { |line| !line.start_with?('<frame>') }
    $stderr.puts "#{error.class}: #{error.message}", *trace&.first(5)
  end
end
