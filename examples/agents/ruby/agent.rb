# The template: `agent` takes the task's input and returns the result, both as JSON knows them.
# Whatever goes to $stderr becomes the task's log; an exception fails the attempt with its message there.
def agent(input)
  $stderr.puts "Greeting #{input['name']}."
  { greeting: "Hello, #{input['name']}!" }
end
